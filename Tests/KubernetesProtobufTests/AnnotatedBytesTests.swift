// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesProtobuf
import NetworkTypes
import PolicyModel
import Testing

/// Bytes whose every part is named, laid out by the field numbers of Kubernetes' .proto files.
@Suite struct AnnotatedBytesTests {
    @Test func podList() throws {
        let list = try ProtobufList.decode(annotated(Self.podList), kind: .pod)
        #expect(list.metadata == .init(resourceVersion: "99", continueToken: "next", remainingItemCount: 7))
        let pod = Pod(
            metadata: ObjectMeta(
                name: "web-0", namespace: "shop", uid: "u1", labels: ["app": "web"], createdAt: 1_700_000_000),
            nodeName: "n1", serviceAccountName: "api", namedPorts: [NamedPort(name: "http", number: 8080)],
            podIPs: [try IPAddress("10.0.0.7"), try IPAddress("fd00::7")], hostIPs: [try IPAddress("172.16.0.9")])
        #expect(list.objects == [DecodedObject(object: .pod(pod), resourceVersion: "41")])
    }

    @Test func policyModified() throws {
        let event = try ProtobufWatchEvent.decode(annotated(Self.policyEvent), kind: .networkPolicy)
        let ports = [
            NetworkPolicyPort(port: .range(PortRange(443, 450))), NetworkPolicyPort(port: .named("http")),
        ]
        let team = LabelRequirement(key: "team", operator: .in, values: ["a", "b"])
        let peers: [NetworkPolicyPeer] = [
            .ipBlock(cidr: try CIDR("10.0.0.0/8"), except: [try CIDR("10.1.0.0/16")]),
            .pods(namespaces: LabelSelector(matchExpressions: [team]), pods: nil),
        ]
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "p", namespace: "shop"), policyTypes: [.ingress],
            ingress: [NetworkPolicyRule(peers: peers, ports: ports)])
        #expect(event == .modified(DecodedObject(object: .networkPolicy(policy), resourceVersion: "42", generation: 7)))
    }

    @Test func errorWithItsStatus() throws {
        let event = try ProtobufWatchEvent.decode(annotated(Self.errorEvent), kind: .pod)
        #expect(
            event == .error(APIStatus(code: 410, reason: "Expired", message: "too old", retryAfterSeconds: 3)))
    }

    @Test func bookmark() throws {
        let event = try ProtobufWatchEvent.decode(annotated(Self.bookmarkEvent), kind: .node)
        #expect(event == .bookmark(resourceVersion: "77"))
    }

    @Test func nodeList() throws {
        let list = try ProtobufList.decode(annotated(Self.nodeList), kind: .node)
        let node = Node(metadata: ObjectMeta(name: "n1"), addresses: [try IPAddress("172.16.0.9")])
        #expect(list.metadata == .init())
        #expect(list.objects == [DecodedObject(object: .node(node), resourceVersion: "")])
    }

    @Test func statusAlone() throws {
        // The object of the error event without what is around it.
        let event = annotated(Self.errorEvent)
        let status = try APIStatus.decode(Array(event.dropFirst(7 + 2 + 2)))
        #expect(status.code == 410 && status.reason == "Expired")
    }

    private static let podList = """
        6b 38 73 00                                 # magic
        0a 0d                                       # typeMeta
          0a 02 "v1"                                # apiVersion
          12 07 "PodList"                           # kind
        12 98 01                                    # raw
          0a 0e                                     # metadata
            0a 00                                   # selfLink
            12 02 "99"                              # resourceVersion
            1a 04 "next"                            # continue
            20 07                                   # remainingItemCount
          12 85 01                                  # items[0]
            0a 29                                   # metadata
              0a 05 "web-0"                         # name
              1a 04 "shop"                          # namespace
              2a 02 "u1"                            # uid
              32 02 "41"                            # resourceVersion
              42 06                                 # creationTimestamp
                08 80 e2 cf aa 06                   # seconds
              5a 0a                                 # labels
                0a 03 "app"                         # key
                12 03 "web"                         # value
            12 20                                   # spec
              12 13                                 # containers
                0a 01 "c"                           # name: not kept
                32 0e                               # ports
                  0a 04 "http"                      # name
                  18 90 3f                          # containerPort
                  22 03 "TCP"                       # protocol
              42 03 "api"                           # serviceAccountName
              52 02 "n1"                            # nodeName
              58 00                                 # hostNetwork
            1a 36                                   # status
              0a 07 "Running"                       # phase
              2a 0a "172.16.0.9"                    # hostIP
              32 08 "10.0.0.7"                      # podIP
              62 0a                                 # podIPs
                0a 08 "10.0.0.7"                    # ip
              62 09                                 # podIPs
                0a 07 "fd00::7"                     # ip
        1a 00                                       # contentEncoding
        22 00                                       # contentType
        """

    private static let policyEvent = """
        0a 08 "MODIFIED"                            # type
        12 a8 01                                    # object
          0a a5 01                                  # raw
            6b 38 73 00                             # magic
            0a 25                                   # typeMeta
              0a 14 "networking.k8s.io/v1"          # apiVersion
              12 0d "NetworkPolicy"                 # kind
            12 74                                   # raw
              0a 0f                                 # metadata
                0a 01 "p"                           # name
                1a 04 "shop"                        # namespace
                32 02 "42"                          # resourceVersion
                38 07                               # generation
              12 61                                 # spec
                0a 00                               # podSelector: every pod
                12 54                               # ingress[0]
                  0a 11                             # ports[0]
                    0a 03 "TCP"                     # protocol
                    12 07                           # port
                      08 00                         # type: a number
                      10 bb 03                      # intVal
                      1a 00                         # strVal
                    18 c2 03                        # endPort
                  0a 0c                             # ports[1]
                    12 0a                           # port
                      08 01                         # type: a text
                      10 00                         # intVal
                      1a 04 "http"                  # strVal
                  12 1b                             # from[0]
                    1a 19                           # ipBlock
                      0a 0a "10.0.0.0/8"            # cidr
                      12 0b "10.1.0.0/16"           # except[0]
                  12 14                             # from[1]
                    12 12                           # namespaceSelector
                      12 10                         # matchExpressions[0]
                        0a 04 "team"                # key
                        12 02 "In"                  # operator
                        1a 01 "a"                   # values[0]
                        1a 01 "b"                   # values[1]
                22 07 "Ingress"                     # policyTypes[0]
            1a 00                                   # contentEncoding
            22 00                                   # contentType
        """

    private static let errorEvent = """
        0a 05 "ERROR"                               # type
        12 3e                                       # object
          0a 3c                                     # raw
            6b 38 73 00                             # magic
            0a 0c                                   # typeMeta
              0a 02 "v1"                            # apiVersion
              12 06 "Status"                        # kind
            12 24                                   # raw
              0a 00                                 # metadata
              12 07 "Failure"                       # status
              1a 07 "too old"                       # message
              22 07 "Expired"                       # reason
              2a 02                                 # details
                28 03                               # retryAfterSeconds
              30 9a 03                              # code
            1a 00                                   # contentEncoding
            22 00                                   # contentType
        """

    private static let bookmarkEvent = """
        0a 08 "BOOKMARK"                            # type
        12 1e                                       # object
          0a 1c                                     # raw
            6b 38 73 00                             # magic
            0a 0a                                   # typeMeta
              0a 02 "v1"                            # apiVersion
              12 04 "Node"                          # kind
            12 06                                   # raw
              0a 04                                 # metadata
                32 02 "77"                          # resourceVersion
            1a 00                                   # contentEncoding
            22 00                                   # contentType
        """

    private static let nodeList = """
        6b 38 73 00                                 # magic
        0a 0e                                       # typeMeta
          0a 02 "v1"                                # apiVersion
          12 08 "NodeList"                          # kind
        12 34                                       # raw
          12 32                                     # items[0]
            0a 04                                   # metadata
              0a 02 "n1"                            # name
            1a 2a                                   # status
              2a 18                                 # addresses[0]
                0a 0a "InternalIP"                  # type
                12 0a "172.16.0.9"                  # address
              2a 0e                                 # addresses[1]: no address
                0a 08 "Hostname"                    # type
                12 02 "n1"                          # address
        1a 00                                       # contentEncoding
        22 00                                       # contentType
        """
}
