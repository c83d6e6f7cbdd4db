// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Testing

/// The nearest name, against the distance as it is defined.
@Suite struct NearestNameTests {
    /// Insertions, deletions, replacements and swaps of neighbors: every cell, by recursion.
    private static func edits(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Int {
        guard let x = a.last, let y = b.last else { return a.count + b.count }
        var best = edits(a.dropLast(), b.dropLast()) + (x == y ? 0 : 1)
        if best == 0 { return 0 }
        best = min(best, edits(a.dropLast(), b) + 1, edits(a, b.dropLast()) + 1)
        if a.count > 1, b.count > 1, x == b.dropLast().last, a.dropLast().last == y {
            best = min(best, edits(a.dropLast(2), b.dropLast(2)) + 1)
        }
        return best
    }

    private static func nearest(_ name: String, among known: [String]) -> String? {
        func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.lowercased().utf8)[...] }
        let distances = known.map { ($0, edits(bytes(name), bytes($0))) }
        guard let best = distances.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { return nil }
        return best.1 <= max(1, best.0.utf8.count / 3) ? best.0 : nil
    }

    @Test func theSameAsByDefinition() {
        var random = SystemRandomNumberGenerator()
        func word(_ length: ClosedRange<Int>) -> String {
            String(
                (0..<Int.random(in: length, using: &random)).map { _ in "abB-é".randomElement(using: &random) ?? "a" })
        }
        var found = 0
        for _ in 0..<150 {
            let known = (0..<Int.random(in: 0...6)).map { _ in word(0...5) }
            let name = word(0...5)
            let meant = NearestName.find(name, among: known)
            #expect(meant == Self.nearest(name, among: known), "\(name) among \(known)")
            found += meant == nil ? 0 : 1
            for candidate in known where !candidate.hasPrefix("\(name)-") {
                let distance = Self.edits(Array(name.utf8)[...], Array(candidate.utf8)[...])
                let isNear = distance <= max(1, candidate.utf8.count / 3)
                #expect(NearestName.distance(name, to: candidate) == (isNear ? distance : nil), "\(name) \(candidate)")
            }
        }
        #expect(found > 5)
    }

    @Test(arguments: [
        ("redsi", "redis"), ("Redis", "redis"), ("app-1-57x", "app-1-57"),
    ])
    func misspelledNames(written: String, meant: String) {
        let known = (0..<1000).map { "app-1-\($0)" } + ["redis", "wordpress"]
        #expect(NearestName.find(written, among: known) == meant)
    }

    @Test func nothingIsNearToAnythingElse() {
        #expect(NearestName.find("redis", among: ["mysql", "web"]) == nil)
        #expect(NearestName.find("redis", among: []) == nil)
        #expect(NearestName.find(String(repeating: "a", count: 65), among: [String(repeating: "a", count: 65)]) == nil)
    }
}
