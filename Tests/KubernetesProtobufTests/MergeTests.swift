// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import KubernetesObjects
import KubernetesProtobuf
import NetworkTypes
import Testing

/// A message may be written in parts: the parts are one message. The last scalar counts, lists and maps are joined.
@Suite struct MergeTests {
    /// One object whose bytes are those of several, one after the other.
    private func joined(_ kind: ObjectKind, _ parts: [String]) throws -> DecodedObject {
        var item: [UInt8] = []
        for part in parts { item += try ProtobufWriter.message(try json(part), as: kind.rawValue) }
        let event = ProtobufWriter.watchEvent(
            type: "ADDED",
            object: ProtobufWriter.envelope(apiVersion: kind.apiVersion, kind: kind.rawValue, raw: item))
        guard case .added(let object) = try ProtobufWatchEvent.decode(event, kind: kind) else {
            throw WrongCount(count: 0)
        }
        return object
    }

    @Test(arguments: ["Running", "Sleeping"])
    func podInParts(phase: String) throws {
        // The unknown phase takes the long way of reading.
        let object = try joined(
            .pod,
            [
                """
                {"metadata": {"name": "a", "namespace": "x", "uid": "1", "labels": {"k": "1", "l": "1"},
                  "annotations": {"kubernetes.io/config.mirror": "s1", "kubernetes.io/config.hash": "s1"}},
                 "spec": {"nodeName": "n1", "serviceAccountName": "s1", "hostNetwork": true, "containers": [
                  {"ports": [{"name": "http", "containerPort": 80}]}]},
                 "status": {"phase": "Failed", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}}
                """,
                """
                {"metadata": {"name": "b", "namespace": "y", "uid": "2", "labels": {"k": "2", "m": "2"},
                  "annotations": {"kubernetes.io/config.mirror": "s2", "note": "s3"}},
                 "spec": {"nodeName": "n2", "serviceAccountName": "s2", "containers": [{"ports": [{"name": "dns", "containerPort": 53}]}]},
                 "status": {"phase": "\(phase)", "podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.3"}]}}
                """,
            ])
        let addresses = try ["10.0.0.1", "10.0.0.3", "10.0.0.2"].map { try IPAddress($0) }
        let pod = Pod(
            metadata: ObjectMeta(name: "b", namespace: "y", uid: "2", labels: ["k": "2", "l": "1", "m": "2"]),
            nodeName: "n2", serviceAccountName: "s2", hostNetwork: false,
            namedPorts: [NamedPort(name: "dns", number: 53), NamedPort(name: "http", number: 80)], phase: .running,
            podIPs: addresses, staticUID: "s2")
        #expect(object.object == .pod(pod))
        #expect(object.notUnderstood.count == (phase == "Running" ? 0 : 1))
    }

    @Test func policyInParts() throws {
        let object = try joined(
            .networkPolicy,
            [
                """
                {"metadata": {"name": "p", "namespace": "x"}, "spec": {"podSelector": {"matchLabels": {"a": "1"}},
                 "ingress": [{"ports": [{"port": 80}]}], "policyTypes": ["Ingress"]}}
                """,
                """
                {"metadata": {"name": "p", "namespace": "x"}, "spec": {"podSelector": {"matchLabels": {"b": "2"}},
                 "ingress": [{"ports": [{"port": 443}]}], "policyTypes": ["Egress"]}}
                """,
            ])
        guard case .networkPolicy(let policy) = object.object else { throw WrongCount(count: 0) }
        #expect(policy.podSelector.matchLabels == ["a": "1", "b": "2"])
        #expect(policy.ingress.map { $0.ports.map(\.port) } == [[.range(PortRange(80))], [.range(PortRange(443))]])
        #expect(policy.policyTypes == [.ingress, .egress])
    }

    /// Labels that are the same bytes are read once; those that differ by one byte are not taken for the same.
    @Test func sharedLabelSets() throws {
        let labels = (0..<500).map {
            ["app": "web-\($0 % 7)", "release": "r\($0 / 100)", "x": ["a", "b", "", "a"][$0 % 4]]
        }
        let nodes = try labels.enumerated().map { index, labels in
            let text = labels.map { "\"\($0)\": \"\($1)\"" }.joined(separator: ", ")
            return try json(#"{"metadata": {"name": "p\#(index)", "namespace": "x", "labels": {\#(text)}}}"#)
        }
        let body = try ProtobufWriter.list(of: .pod, nodes, metadata: try json("{}"))
        #expect(try ProtobufList.decode(body, kind: .pod).objects.map(\.object.metadata.labels) == labels)
    }

    /// An annotation's key may come behind its value, and twice; a name that only begins alike is another.
    @Test func theAnnotationOfAMirror() throws {
        let object = try ProtobufWatchEvent.decode(
            ProtobufWriter.watchEvent(
                type: "ADDED",
                object: ProtobufWriter.envelope(apiVersion: "v1", kind: "Pod", raw: annotated(Self.mirror))),
            kind: .pod)
        let pod = Pod(metadata: ObjectMeta(name: "p", namespace: "default"), phase: .pending, staticUID: "6f1c")
        #expect(object == .added(DecodedObject(object: .pod(pod), resourceVersion: "")))
    }

    private static let mirror = """
        0a 73                                       # metadata
          0a 01 "p"                                 # name
          62 26                                     # annotations
            12 04 "6f1c"                            # value
            0a 01 "x"                               # key
            0a 1b "kubernetes.io/config.mirror"     # key: the last counts
          62 22                                     # annotations
            0a 1c "kubernetes.io/config.mirrors"    # key
            12 02 "77"                              # value
          62 20                                     # annotations
            0a 1a "kubernetes.io/config.mirro"      # key
            12 02 "78"                              # value
          62 00                                     # annotations: no key and no value
        """

    /// Whatever bytes a user has put into an annotation, the list stays readable, as with JSON.
    @Test func textsThatAreNotUTF8() throws {
        let item = annotated(
            """
            0a 14                        # metadata
              0a 01 "p"                  # name
              62 0f                      # annotations
                0a 04 "note"             # key
                12 07 ff fe 80 c0 80 61 62  # value
            12 04                        # spec
              0a 00                      # podSelector
              12 00                      # ingress[0]
            """)
        let body = ProtobufWriter.envelope(
            apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicyList", raw: [0x12, UInt8(item.count)] + item)
        let object = try #require(ProtobufList.decode(body, kind: .networkPolicy).objects.first)
        #expect(object.object.metadata.name == "p" && object.notUnderstood == [])
    }
}
