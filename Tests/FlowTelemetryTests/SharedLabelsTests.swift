// SPDX-License-Identifier: Apache-2.0
import FlowTelemetry
import Testing

struct SharedLabelsTests {
    @Test func labelsAreSortedTexts() {
        var labels = SharedLabels()
        for _ in 0..<2 {
            #expect(labels.texts(["tier": "web", "app": "shop", "empty": ""]) == ["app=shop", "empty=", "tier=web"])
        }
        #expect(labels.texts([:]).isEmpty)
    }

    @Test func veryManyAreCut() {
        var labels = SharedLabels()
        let many = Dictionary(uniqueKeysWithValues: (100..<300).map { ("k\($0)", "v") })
        #expect(labels.texts(many) == (100..<132).map { "k\($0)=v" })
        let long = Dictionary(
            uniqueKeysWithValues: (0..<5).map { ("k\($0)", String(repeating: "x", count: 400)) })
        let texts = labels.texts(long)
        #expect(texts.count == 2 && texts.joined().utf8.count <= SharedLabels.byteLimit)
    }

    /// More sets of labels than are remembered.
    @Test func forgottenSetsAreReadAgain() {
        var labels = SharedLabels()
        for number in (0..<3000).map({ $0 % 1500 }) { #expect(labels.texts(["n": "\(number)"]) == ["n=\(number)"]) }
    }
}
