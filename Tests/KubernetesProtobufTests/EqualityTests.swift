// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import KubernetesObjects
import KubernetesProtobuf
import NetworkTypes
import Testing

/// What protobuf says of an object is what its JSON says.
@Suite struct EqualityTests {
    private static let kinds: [ObjectKind] = [.pod, .namespace, .node, .networkPolicy]

    /// The same sentences, as far as they do not tell a place in a text.
    private func problems(_ errors: [ManifestError]) -> [String] { errors.map { "\($0.path): \($0.reason)" } }

    @Test(arguments: kinds)
    func randomObjects(kind: ObjectKind) throws {
        var documents = RandomDocuments(seed: 7)
        var notUnderstood = 0
        for round in 0..<3000 {
            let node = documents.object(kind)
            let fromJSON = ObjectDecoder.decode(node, file: "test", mode: .lenient)
            let expected = try #require(fromJSON.objects.first, "round \(round): \(node)")
            let decoded = try readBack(node, kind)
            #expect(decoded.object == expected, "round \(round): \(node)")
            #expect(problems(decoded.notUnderstood) == problems(fromJSON.notUnderstood), "round \(round): \(node)")
            #expect(decoded.resourceVersion == node["metadata"]?["resourceVersion"]?.string)
            notUnderstood += decoded.notUnderstood.isEmpty ? 0 : 1
            guard decoded.object == expected else { return }
        }
        // The random objects are of both sorts.
        #expect(notUnderstood < 2500)
        if kind != .namespace { #expect(notUnderstood > 100) }
    }

    @Test func wholeListsAndEvents() throws {
        var documents = RandomDocuments(seed: 8)
        for kind in Self.kinds {
            let nodes = (0..<200).map { _ in documents.object(kind) }
            let body = try ProtobufWriter.list(
                of: kind, nodes,
                metadata: try json(#"{"resourceVersion": "12", "continue": "more", "remainingItemCount": 3}"#))
            let list = try ProtobufList.decode(body, kind: kind)
            #expect(list.metadata == .init(resourceVersion: "12", continueToken: "more", remainingItemCount: 3))
            #expect(
                list.objects.map(\.object)
                    == nodes.flatMap { ObjectDecoder.decode($0, file: "test", mode: .lenient).objects })
            for (node, object) in zip(nodes, list.objects) {
                let event = try ProtobufWriter.watchEvent(type: "ADDED", object: ProtobufWriter.object(node))
                #expect(try ProtobufWatchEvent.decode(event, kind: kind) == .added(object))
            }
        }
    }

    /// The pods of the benchmark are as large as pods are, and nothing of them is read another way.
    @Test func realisticPods() throws {
        var size = 0
        for number in 0..<300 {
            let node = try json(ProtobufPod.json(number))
            size += try ProtobufWriter.message(node, as: "Pod").count
            let expected = ObjectDecoder.decode(node, file: "test", mode: .lenient)
            #expect(expected.notUnderstood.isEmpty)
            #expect(try readBack(node, .pod).object == expected.objects.first)
        }
        #expect((3200...3800).contains(size / 300), "\(size / 300)")
    }

    /// A newer API server's fields close what they are in.
    @Test func unknownFieldsOfPoliciesCloseThem() throws {
        func policy(_ spec: String) throws -> NetworkPolicy {
            guard case .networkPolicy(let policy) = try readBack(try policyJSON(spec: spec), .networkPolicy).object
            else { throw WrongCount(count: 0) }
            return policy
        }
        let open = #"{"podSelector": {}, "ingress": [{}]}"#
        #expect(try policy(open).ingress == [NetworkPolicyRule()])
        for (spec, unknown) in [
            (#"{"podSelector": {}, "ingress": [{"field 3": "x"}]}"#, "spec.ingress[0][\"field 3\"]: unknown field"),
            (
                #"{"podSelector": {}, "ingress": [{"from": [{"podSelector": {}, "field 4": "x"}]}]}"#,
                "spec.ingress[0].from[0][\"field 4\"]: unknown field"
            ),
            (
                #"{"podSelector": {}, "ingress": [{"from": [{"podSelector": {"field 3": 1}}]}]}"#,
                "spec.ingress[0].from[0].podSelector[\"field 3\"]: unknown field"
            ),
            (
                #"{"podSelector": {}, "ingress": [{"ports": [{"field 4": "x"}]}]}"#,
                "spec.ingress[0].ports[0][\"field 4\"]: unknown field"
            ),
            (#"{"podSelector": {"field 3": 1}, "ingress": [{}]}"#, "spec.podSelector[\"field 3\"]: unknown field"),
            (#"{"podSelector": {}, "ingress": [{}], "field 5": 1}"#, "spec[\"field 5\"]: unknown field"),
        ] {
            let closed = try policy(spec)
            #expect(closed.unknown == [unknown])
            #expect(closed.ingress == [], "\(spec)")
            #expect(closed.policyTypes == [.ingress])
        }
    }

    /// An IntOrString of a third type, or with an unknown field, is not a port, and never every port.
    @Test(arguments: ["08 02 10 50", "08 00 10 50 20 01", "08 01 1a 01 61 22 00"])
    func portsOfAnotherType(port: String) throws {
        let spec = [0x0a, 0x00, 0x12] as [UInt8]
        let intOrString = annotated(port)
        let portMessage = [0x12, UInt8(intOrString.count)] + intOrString
        let rule = [0x0a, UInt8(portMessage.count)] + portMessage
        let specMessage = spec + [UInt8(rule.count)] + rule
        let item = [0x0a, 3, 0x0a, 1, 0x70, 0x12, UInt8(specMessage.count)] + specMessage
        let body = ProtobufWriter.envelope(
            apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicyList", raw: [0x12, UInt8(item.count)] + item)
        let object = try #require(ProtobufList.decode(body, kind: .networkPolicy).objects.first)
        guard case .networkPolicy(let policy) = object.object else { throw WrongCount(count: 0) }
        #expect(policy.ingress == [] && policy.policyTypes == [.ingress])
        #expect(policy.unknown == ["spec.ingress[0].ports[0].port: must be a whole number, is a mapping"])
    }
}
