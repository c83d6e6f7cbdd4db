// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import Testing

/// Pod, Namespace and Node.
@Suite struct ClusterObjectTests {
    private func pod(_ fields: String) throws -> Pod {
        let document = try decode(#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, \#(fields)}"#)
        #expect(document.errors.map(\.description) == [])
        guard case .pod(let pod)? = document.objects.first else { throw UnexpectedKind() }
        return pod
    }

    @Test func everyField() throws {
        let pod = try pod(
            """
            "spec": {"nodeName": "n1", "serviceAccountName": "api", "hostNetwork": true, "restartPolicy": "Never", "somethingNew": [1, {}],
              "containers": [{"name": "c", "image": "i", "ports": [
                {"name": "http", "containerPort": 8080}, {"containerPort": 1},
                {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                {"name": "", "containerPort": 2}]}, {"name": "d"}],
              "initContainers": [
                {"name": "s", "restartPolicy": "Always", "ports": [{"name": "mesh", "containerPort": 15001}]},
                {"name": "o", "ports": [{"name": "once", "containerPort": 1}]},
                {"name": "t", "restartPolicy": "Always", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIP": "10.0.0.5", "podIPs": [{"ip": "10.0.0.5"}, {"ip": "fd00::5"}],
              "hostIP": "192.0.2.1", "qosClass": "Burstable"}
            """)
        #expect(pod.serviceAccountName == "api")
        #expect(pod.nodeName == "n1" && pod.hostNetwork && pod.phase == .running)
        #expect(
            pod.namedPorts == [
                NamedPort(name: "dns", ipProtocol: .udp, number: 53), NamedPort(name: "http", number: 8080),
                NamedPort(name: "mesh", number: 15001),
            ])
        #expect(pod.podIPs == [try IPAddress("10.0.0.5"), try IPAddress("fd00::5")])
        #expect(pod.hostIPs == [try IPAddress("192.0.2.1")])
    }

    @Test(arguments: [#"{"serviceAccountName": ""}"#, "{}"])
    func accountOfPodsThatNameNone(spec: String) throws {
        #expect(try pod("\"spec\": \(spec)").serviceAccountName == "default")
    }

    /// Of a pod's annotations one is read: which static pod it is the mirror of.
    @Test(arguments: [
        (#"{"kubernetes.io/config.mirror": "6f1c", "kubernetes.io/config.hash": "77"}"#, "6f1c"),
        (#"{"kubernetes.io/config.hash": "77"}"#, ""), (#"{"kubernetes.io/config.mirror": ""}"#, ""),
        (#"{"kubernetes.io/config.mirror": null}"#, ""), ("null", ""), ("{}", ""),
    ])
    func mirrorOfAStaticPod(annotations: String, uid: String) throws {
        let document = try decode(
            """
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "uid": "own", "annotations": \(annotations)}}
            """)
        #expect(document.errors.map(\.description) == [])
        guard case .pod(let pod)? = document.objects.first else { throw UnexpectedKind() }
        #expect(pod.staticUID == uid && pod.metadata.uid == "own")
    }

    @Test(arguments: [
        (#""status": {}"#, [], PodPhase.pending), (#""status": null"#, [], .pending),
        (#""status": {"podIP": "10.0.0.1"}"#, ["10.0.0.1"], .running),
        (#""status": {"podIP": "", "phase": "Failed"}"#, [], .failed),
        (#""status": {"podIPs": null, "podIP": null, "phase": ""}"#, [], .pending),
        (#""status": {"podIPs": [{"ip": "::1"}], "podIP": "10.0.0.1"}"#, ["::1", "10.0.0.1"], .running),
        (#""status": {"podIPs": [{"ip": "10.0.0.1"}], "phase": "Succeeded"}"#, ["10.0.0.1"], .succeeded),
        (#""status": {"podIPs": [{"ip": "::ffff:10.0.0.5"}], "podIP": "10.0.0.5"}"#, ["10.0.0.5"], .running),
    ])
    func status(fields: String, addresses: [String], phase: PodPhase) throws {
        let pod = try pod(fields)
        #expect(pod.podIPs.map(\.description) == addresses)
        #expect(pod.phase == phase)
    }

    @Test(arguments: [
        Refusal(#""spec": []"#, "spec", "must be a mapping"),
        Refusal(#""spec": {"hostNetwork": "true"}"#, "spec.hostNetwork", "must be true or false"),
        Refusal(#""spec": {"nodeName": 7}"#, "spec.nodeName", "must be a string", hint: "quotes"),
        Refusal(#""spec": {"containers": {}}"#, "spec.containers", "must be a list"),
        Refusal(#""spec": {"containers": [1]}"#, "spec.containers[0]", "must be a mapping"),
        Refusal(
            #""spec": {"containers": [{"ports": [{"name": "x", "containerPort": "80"}]}]}"#,
            "spec.containers[0].ports[0].containerPort", "must be a whole number", hint: "without quotes"),
        Refusal(
            #""spec": {"containers": [{"ports": [{"name": "x"}]}]}"#, "spec.containers[0].ports[0].containerPort",
            "is required"),
        Refusal(
            #""spec": {"containers": [{"ports": [{"name": "X", "containerPort": 1}]}]}"#,
            "spec.containers[0].ports[0].name", "lower case"),
        Refusal(
            #""spec": {"containers": [{"ports": [{"name": "x", "containerPort": 70000}]}]}"#,
            "spec.containers[0].ports[0].containerPort", "not in 1...65535"),
        Refusal(#""status": {"phase": "running"}"#, "status.phase", "unknown"),
        Refusal(#""status": {"podIP": "10.0.0"}"#, "status.podIP", "is not an IPv4 or IPv6 address"),
        Refusal(#""status": {"podIP": "10.0.0.0/24"}"#, "status.podIP", "is not an IPv4 or IPv6 address"),
        Refusal(#""status": {"podIPs": ["10.0.0.1"]}"#, "status.podIPs[0]", "must be a mapping, is a string"),
        Refusal(#""status": {"podIPs": [{}]}"#, "status.podIPs[0].ip", "is required"),
        Refusal(#""status": {"hostIPs": [{"ip": "x"}]}"#, "status.hostIPs[0].ip", "is not an IPv4"),
    ])
    func wrongPod(row: Refusal) throws {
        try row.check(decode(#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, \#(row.input)}"#))
    }

    @Test func node() throws {
        let document = try decode(
            """
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"a": "b"}},
             "spec": {"podCIDR": "x"}, "status": {"addresses": [
               {"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "n1"},
               {"type": "ExternalIP", "address": "2001:db8::1"}, {"type": "InternalIP", "address": "192.0.2.1"}]}}
            """)
        #expect(document.errors.isEmpty)
        let expected = Node(
            metadata: ObjectMeta(name: "n1", labels: ["a": "b"]),
            addresses: [try IPAddress("192.0.2.1"), try IPAddress("2001:db8::1")])
        #expect(document.objects == [.node(expected)])
    }

    @Test(arguments: [
        Refusal(#"{"type": "InternalIP", "address": "n1"}"#, ".address", "is not an IPv4"),
        Refusal(#"{"address": "192.0.2.1"}"#, ".type", "is required"),
        Refusal(#"{"type": "InternalIP"}"#, ".address", "is required"),
    ])
    func wrongNode(row: Refusal) throws {
        var row = row
        row.path = "status.addresses[0]" + row.path
        try row.check(
            decode(
                """
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"},
                 "status": {"addresses": [\(row.input)]}}
                """
            ))
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2000-02-29T23:59:59Z", 951_868_799),
        ("2024-01-01T00:00:00+01:00", 1_704_063_600),
        ("2024-01-01T00:00:00.123456Z", 1_704_067_200), ("2024-01-01t00:00:00-05:30", 1_704_087_000),
        ("1969-12-31T23:59:59Z", -1), ("9999-12-31T23:59:59Z", 253_402_300_799),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("2016-12-31T23:59:60Z", 1_483_228_800), ("0000-01-01T00:00:00Z", -62_167_219_200),
    ])
    func timestamps(text: String, seconds: Int64) throws {
        let document = try decode(
            #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": "\#(text)"}}"#)
        #expect(document.objects.first?.metadata.createdAt == seconds)
    }

    @Test(arguments: [
        "", "2024", "2024-01-01", "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00+1:00", "2024-01-01T00:00:00Zx",
        "2024-04-31T00:00:00Z", "-024-01-01T00:00:00Z", "2024-01-00T00:00:00Z",
    ])
    func wrongTimestamps(text: String) throws {
        let document = try decode(
            #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": "\#(text)"}}"#)
        #expect(document.errors.map(\.path.description) == ["metadata.creationTimestamp"])
    }
}
