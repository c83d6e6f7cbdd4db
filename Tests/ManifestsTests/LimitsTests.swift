// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests
import Testing

/// Texts that would take time or memory out of proportion are refused, in time.
@Suite struct LimitsTests {
    private func took(_ body: () -> Void) -> Duration { ContinuousClock().measure(body) }

    /// The one refusal of the text as a whole.
    private func refusal(_ text: String, _ limits: ManifestLimits = .body, file: String = "t.yaml") throws -> String {
        let documents = ManifestReader(limits: limits).read(Array(text.utf8), file: file)
        #expect(documents.allSatisfy { $0.decoded.items.isEmpty && $0.decoded.hasUnknownObjects })
        return try #require(documents.first?.decoded.errors.first).description
    }

    @Test func manyDocumentsAreRefusedAtOnce() throws {
        let text = String(repeating: "---\n", count: 8_000_000)
        let start = ContinuousClock.now
        #expect(try refusal(text) == "t.yaml: there are more than 20000 documents")
        #expect(try refusal(text, ManifestLimits()) == "t.yaml: there are more than 100000 documents")
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(read(String(repeating: "---\n# nothing\n", count: 20_000) + pod("p")).count == 1)
    }

    @Test func manyValuesAreRefusedAtOnce() throws {
        let heads = [
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels:\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: p\ndata:\n",
        ]
        for head in heads {
            for line in ["    l%: v\n", "    l%: &a% v\n", "    ? l%\n    : [v]\n", "    l%: {a: b, c: d}\n"] {
                let body = (0..<260_000).map {
                    line.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "\($0)")
                }
                let text = head + body.joined()
                let start = ContinuousClock.now
                #expect(try refusal(text).contains("has too many values"))
                #expect(ContinuousClock.now - start < .seconds(20), "\(line)")
            }
        }
        #expect(try refusal("a: " + String(repeating: "[", count: 10_000_000)).contains("has too many values"))
        let json = "[" + String(repeating: "1,", count: 5_000_000) + "1]"
        #expect(try refusal(json, file: "t.json").contains("there are more than 1000000 values"))
        #expect(try refusal(json).contains("has too many values"), "JSON in a YAML stream")
    }

    @Test func labelsHaveALimit() throws {
        func text(_ count: Int) -> String {
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels:\n"
                + (0..<count).map { "    l\($0): v\n" }.joined()
        }
        #expect(read(text(5_000)).flatMap(\.decoded.errors).isEmpty)
        #expect(
            read(text(5_001)).flatMap(\.decoded.errors).map(\.description) == [
                "t.yaml:6:5: document 1: metadata.labels: 5001 labels exceed the limit of 5000"
            ])
    }

    @Test func manyProblemsRefuseTheWholeText() throws {
        let bad = policy("bad", types: "[Sideways]")
        let some = ManifestReader(limits: .body).read(
            Array(([policy("good")] + Array(repeating: bad, count: 400)).joined(separator: "---\n").utf8),
            file: "t.yaml")
        #expect(some.count == 401 && some.flatMap(\.decoded.items).count == 1)
        let text = ([policy("good")] + Array(repeating: bad, count: 20_000 - 1)).joined(separator: "---\n")
        let documents = ManifestReader(limits: .body).read(Array(text.utf8), file: "t.yaml")
        #expect(documents.count == 1 && documents[0].decoded.items.isEmpty)
        #expect(documents[0].decoded.errors.count == 101)
        #expect(
            documents[0].decoded.errors.first?.description
                == "t.yaml: there are more than 500 problems; these are the first")
    }

    /// What is refused as a whole leaves in force what was.
    @Test func aTextOverALimitKeepsWhatWas() {
        var manifests = ManifestSet()
        #expect(
            manifests.apply(["f.yaml": .content(Array(policy("p").utf8))]).map(\.summary) == ["+ NetworkPolicy shop/p"])
        let flood = String(repeating: "---\n", count: 200_000) + policy("q")
        #expect(manifests.apply(["f.yaml": .content(Array(flood.utf8))]).isEmpty)
        #expect(manifests.problems.count == 1)
        #expect(manifests.objects.map(\.key) == [key(.networkPolicy, "p")])
        #expect(manifests.apply(["f.yaml": .content(Array(policy("q").utf8))]).count == 2)
    }

    /// Twice the text takes about twice the time.
    @Test(arguments: [
        "l%: v\n", "l%: &a% v\n", "l%: [*z, *z]\n", "? [a, b%]\n: v\n", "l%: !x v\n", "l%: \"\\x41\\x42\"\n",
        "l%: |\n  x\n",
    ])
    func timeIsInProportion(line: String) {
        func text(_ count: Int) -> [UInt8] {
            let parts = line.split(separator: "%", omittingEmptySubsequences: false)
            return Array(("z: &z v\n" + (0..<count).map { parts.joined(separator: "\($0)") }.joined()).utf8)
        }
        func best(_ count: Int) -> Duration {
            let bytes = text(count)
            return (0..<3).map { _ in took { _ = ManifestReader().read(bytes, file: "t.yaml") } }.min()!
        }
        let (small, large) = (best(5_000), best(40_000))
        #expect(large < small * 24 + .milliseconds(200), "\(small) and \(large)")
    }
}
