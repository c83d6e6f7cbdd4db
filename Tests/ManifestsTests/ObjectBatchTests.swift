// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests
import Testing

@Suite struct ObjectBatchTests {
    @Test func allOrNothing() throws {
        let batch = try ObjectBatch.decode(Array((pod("a") + "---\n" + policy("p")).utf8))
        #expect(batch.objects.map(\.key) == [key(.pod, "a"), key(.networkPolicy, "p")])
        let refusal = try #require(throws: ObjectBatch.Refusal.self) {
            try ObjectBatch.decode(Array((pod("a") + "---\n" + policy("p", types: "[X]") + "---\nkind: [").utf8))
        }
        #expect(refusal.errors.map(\.document) == [2, 3])
        #expect(refusal.description.hasPrefix("request body:11:17: document 2: spec.policyTypes[0]: "))
    }

    @Test func json() throws {
        let text = #"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}"#
        #expect(try ObjectBatch.decode(Array(text.utf8)).objects.map(\.key.name) == ["a"])
    }

    @Test func nothingAndTwice() {
        #expect(throws: ObjectBatch.Refusal.self) { try ObjectBatch.decode([]) }
        #expect(throws: ObjectBatch.Refusal.self) {
            try ObjectBatch.decode(Array((pod("a") + "---\n" + pod("a")).utf8))
        }
        let limits = ManifestLimits(fileSize: 8)
        #expect(throws: ObjectBatch.Refusal.self) { try ObjectBatch.decode(Array(pod("a").utf8), limits: limits) }
    }

    @Test func keysAlone() throws {
        let text = Array((policy("p", types: "[X]") + "---\n" + pod("a", "nonsense")).utf8)
        #expect(try ObjectBatch.decodeKeys(text) == [key(.networkPolicy, "p"), key(.pod, "a")])
        #expect(throws: ObjectBatch.Refusal.self) { try ObjectBatch.decodeKeys(Array("kind: [".utf8)) }
        #expect(throws: ObjectBatch.Refusal.self) {
            try ObjectBatch.decodeKeys(Array("apiVersion: v1\nkind: Pod\n".utf8))
        }
        #expect(throws: ObjectBatch.Refusal.self) {
            try ObjectBatch.decodeKeys(Array("apiVersion: v1\nkind: Secret\n".utf8))
        }
    }
}
