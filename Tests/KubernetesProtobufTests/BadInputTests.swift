// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import KubernetesObjects
import KubernetesProtobuf
import Testing

@Suite struct BadInputTests {
    private func podList(_ raw: String) -> [UInt8] {
        ProtobufWriter.envelope(apiVersion: "v1", kind: "PodList", raw: annotated(raw))
    }

    /// The list's own bytes begin here: magic, type, field number and one byte of length.
    private static let rawStart = 4 + 15 + 2

    @Test(
        arguments: [
            ("12 05 0a 01", 2, "raw", .truncated(missing: 3)),
            ("12 04 0a 03 0a 01", 4, "raw.items[0]", .truncated(missing: 1)),
            ("12 05 0a 03 0a 02 61", 6, "raw.items[0].metadata", .truncated(missing: 1)),
            ("12 03 1a 01 80", 5 - 1, "raw.items[0].status", .truncated(missing: 1)),
            ("12 03 0a 01 50", 5, "raw.items[0].metadata", .truncated(missing: 1)),
            ("80", 0, "raw", .truncated(missing: 1)),
            ("12 80 80 80 80 80 80 80 80 80 02", 1, "raw", .numberTooLong),
            ("12 ff ff ff ff ff ff ff ff ff 01", 11, "raw", .truncated(missing: .max)),
            ("00", 0, "raw", .fieldNumber(0)), ("07 00", 0, "raw", .fieldNumber(0)),
            ("80 80 80 80 10", 0, "raw", .fieldNumber(536_870_912)),
            ("1b 1c", 1, "raw", .wireType(3)), ("1c", 1, "raw", .wireType(4)), ("1e 00", 1, "raw", .wireType(6)),
            ("1f 00", 1, "raw", .wireType(7)),
            ("19 00 00 00", 1, "raw", .truncated(missing: 5)), ("1d 00 00 00", 1, "raw", .truncated(missing: 1)),
            ("10 01", 1, "raw", .wrongWireType(field: 2, found: 0, expected: 2)),
            ("12 02 08 01", 3, "raw.items[0]", .wrongWireType(field: 1, found: 0, expected: 2)),
            ("12 04 12 02 5a 00", 5, "raw.items[0].spec", .wrongWireType(field: 11, found: 2, expected: 0)),
            (
                "12 06 0a 04 5a 02 0b 0c", 7, "raw.items[0].metadata.labels",
                .wrongWireType(field: 1, found: 3, expected: 2)
            ),
            ("12 02 0a 00", 2, "raw.items[0]", .nameless("has no name: metadata.name: is required")),
        ] as [(String, Int, String, ProtobufError.Reason)])
    func brokenLists(raw: String, offset: Int, path: String, reason: ProtobufError.Reason) throws {
        let error = try #require(throws: ProtobufError.self) { try ProtobufList.decode(podList(raw), kind: .pod) }
        #expect(error.reason == reason)
        #expect(error.path.description == path)
        #expect(error.offset - Self.rawStart == offset)
        #expect(error.description.hasPrefix("protobuf: byte \(error.offset): \(path): "))
    }

    @Test func brokenPolicies() throws {
        // spec.ingress[0].from[0].ipBlock with a number where the prefix stands.
        let item = annotated("12 0a 12 08 12 06 1a 04 0a 00 08 01")
        let body = ProtobufWriter.envelope(
            apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicyList", raw: [0x12, UInt8(item.count)] + item)
        let error = try #require(throws: ProtobufError.self) { try ProtobufList.decode(body, kind: .networkPolicy) }
        #expect(error.path.description == "raw.items[0].spec.ingress[0].from[0].ipBlock")
        #expect(error.reason == .wrongWireType(field: 1, found: 0, expected: 2))
    }

    @Test func envelopes() throws {
        func reason(_ body: [UInt8], _ kind: ObjectKind = .pod) throws -> ProtobufError.Reason {
            try #require(throws: ProtobufError.self) { try ProtobufList.decode(body, kind: kind) }.reason
        }
        let whole = podList("")
        #expect(try ProtobufList.decode(whole, kind: .pod).objects == [])
        #expect(try reason([]) == .noMagic)
        #expect(try reason(Array("{\"kind\":".utf8)) == .noMagic)
        #expect(try reason([0x6b, 0x38, 0x73, 1] + whole.dropFirst(4)) == .noMagic)
        #expect(try reason(whole, .node) == .unexpectedType(found: "v1 PodList", expected: "v1 NodeList"))
        let typeOnly = whole[..<(4 + 15)]
        #expect(try reason(Array(typeOnly)) == .missing("raw"))
        #expect(try reason(Array(whole.dropLast(2))) == .missing("contentType"))
        #expect(try reason(typeOnly + annotated("12 00 1a 04 \"gzip\" 22 00")) == .foreignContent("gzip"))
        #expect(try reason(typeOnly + annotated("12 00 1a 00 22 02 \"js\"")) == .foreignContent("js"))
        #expect(
            try reason(
                ProtobufWriter.envelope(apiVersion: "v1", kind: "AdminNetworkPolicyList", raw: []),
                .adminNetworkPolicy)
                == .unexpectedType(
                    found: "v1 AdminNetworkPolicyList",
                    expected: "policy.networking.k8s.io/v1alpha1 AdminNetworkPolicyList"))
        #expect(
            try reason(
                ProtobufWriter.envelope(
                    apiVersion: "policy.networking.k8s.io/v1alpha1", kind: "AdminNetworkPolicyList", raw: []),
                .adminNetworkPolicy) == .servedAsJSON(.adminNetworkPolicy))
    }

    @Test func events() throws {
        func reason(_ type: String, _ object: String, _ kind: ObjectKind = .node) throws -> ProtobufError.Reason {
            let event = try ProtobufWriter.watchEvent(type: type, object: ProtobufWriter.object(try json(object)))
            return try #require(throws: ProtobufError.self) { try ProtobufWatchEvent.decode(event, kind: kind) }.reason
        }
        let node = #"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}"#
        let status = #"{"apiVersion": "v1", "kind": "Status", "code": 500}"#
        #expect(try reason("RENAMED", node) == .unknownEvent("RENAMED"))
        #expect(try reason("", node) == .unknownEvent(""))
        #expect(try reason("BOOKMARK", node) == .missing("metadata.resourceVersion"))
        #expect(try reason("ADDED", status) == .unexpectedType(found: "v1 Status", expected: "v1 Node"))
        #expect(try reason("ERROR", node) == .unexpectedType(found: "v1 Node", expected: "v1 Status"))
        #expect(try reason("ADDED", node, .pod) == .unexpectedType(found: "v1 Node", expected: "v1 Pod"))
        for event in ["", "0a 05 \"ADDED\"", "0a 05 \"ADDED\" 12 00"] {
            let error = try #require(throws: ProtobufError.self) {
                try ProtobufWatchEvent.decode(annotated(event), kind: .pod)
            }
            #expect(error.reason == .missing("object.raw"))
        }
    }

    /// A body that ends anywhere before its end gives an error, not a shorter list.
    @Test func everyTruncation() throws {
        var documents = RandomDocuments(seed: 9)
        for kind in [ObjectKind.pod, .namespace, .node, .networkPolicy] {
            let nodes = (0..<6).map { _ in documents.object(kind) }
            let body = try ProtobufWriter.list(of: kind, nodes, metadata: try json(#"{"resourceVersion": "5"}"#))
            let event = try ProtobufWriter.watchEvent(type: "ADDED", object: ProtobufWriter.object(nodes[0]))
            _ = try (ProtobufList.decode(body, kind: kind), ProtobufWatchEvent.decode(event, kind: kind))
            for end in body.indices {
                #expect(throws: ProtobufError.self) { try ProtobufList.decode(Array(body[..<end]), kind: kind) }
            }
            for end in event.indices {
                #expect(throws: ProtobufError.self) { try ProtobufWatchEvent.decode(Array(event[..<end]), kind: kind) }
            }
        }
        let status = try ProtobufWriter.object(
            try json(#"{"apiVersion": "v1", "kind": "Status", "code": 410, "details": {"retryAfterSeconds": 2}}"#))
        #expect(try APIStatus.decode(status) == APIStatus(code: 410, retryAfterSeconds: 2))
        for end in status.indices {
            #expect(throws: ProtobufError.self) { try APIStatus.decode(Array(status[..<end])) }
        }
    }

    /// Bytes changed at random are read or refused; what the bytes are about changes nothing else.
    @Test func randomDamage() throws {
        var documents = RandomDocuments(seed: 10)
        for kind in [ObjectKind.pod, .node, .networkPolicy] {
            let nodes = (0..<3).map { _ in documents.object(kind) }
            let body = try ProtobufWriter.list(of: kind, nodes, metadata: try json("{}"))
            var refused = 0
            for _ in 0..<20_000 {
                var damaged = body
                for _ in 0...documents.random.below(3) {
                    damaged[documents.random.below(body.count)] = UInt8(documents.random.below(256))
                }
                do throws(ProtobufError) {
                    _ = try ProtobufList.decode(damaged, kind: kind)
                } catch {
                    refused += 1
                    #expect((0...body.count).contains(error.offset))
                }
            }
            #expect(refused > 2000)
        }
    }
}
