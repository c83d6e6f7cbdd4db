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

    /// Whether `long` is `short` and more words.
    private static func continues(_ long: String, _ short: String) -> Bool {
        guard !short.isEmpty, long.count > short.count, long.lowercased().hasPrefix(short.lowercased()) else {
            return false
        }
        let letters = Array(long)
        let (last, next) = (letters[short.count - 1], letters[short.count])
        return last == "-" || next == "-" || next == "B" && last != "B"
    }

    private static func nearest(_ name: String, among known: [String]) -> String? {
        func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.lowercased().utf8)[...] }
        let distances = known.compactMap { candidate -> (Int, Int, String)? in
            let edits = edits(bytes(name), bytes(candidate))
            if continues(candidate, name) || continues(name, candidate) { return (1, edits, candidate) }
            return edits <= max(1, candidate.utf8.count / 3) ? (edits, edits, candidate) : nil
        }
        return distances.min(by: <)?.2
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

    /// Names of options, fields, pods and labels: more words at the end, or fewer, are nearer than other words.
    @Test(arguments: [
        ("NODE", ["FLOWS", "NODE_NAME", "TRUST_DOMAIN"], "NODE_NAME"), ("NODE", ["NODE_NAME", "NODE_DNS"], "NODE_DNS"),
        ("FLOWS_KEPT", ["FLOWS", "FLOW_RECORDS", "CLUSTER"], "FLOWS"),
        ("log", ["log-level", "logs"], "logs"), ("log-", ["log-level", "logger"], "log-level"),
        ("namespace", ["podSelector", "namespaceSelector", "ipBlock"], "namespaceSelector"),
        ("portNumber", ["protocol", "port", "endPort"], "port"),
        ("Network", ["Ingress", "NetworkPolicy"], "NetworkPolicy"),
        ("web", ["wet", "web-7d9c5b6f8-abcde"], "wet"), ("web", ["db", "web-7d9c5b6f8-abcde"], "web-7d9c5b6f8-abcde"),
        ("app.kubernetes.io/name", ["app", "name", "tier"], "app"),
        ("APP", ["tier", "app.kubernetes.io/name"], "app.kubernetes.io/name"),
        // One that is too far for its length does not hide another.
        ("namesp", ["name", "namespace"], "namespace"),
    ])
    func moreWordsOrFewer(written: String, known: [String], meant: String) {
        #expect(NearestName.find(written, among: known) == meant)
        #expect(NearestName.find(written, among: known.reversed()) == meant)
    }

    @Test(arguments: [("net", "network"), ("node", "nodename"), ("PORT", "PORTAL"), ("-", "b-c"), ("é", "éb")])
    func halfAWordIsNone(written: String, known: String) {
        #expect(NearestName.find(written, among: [known + "xyz"]) == nil)
    }

    @Test(arguments: [
        ("NODE", ["NODE_DNS", "NODE_NAME"]), ("NODE_NAM", ["NODE_NAME"]), ("NODE_NAME_OF", ["NODE_NAME"]), ("POD", []),
    ])
    func allThatMayBeMeant(written: String, meant: [String]) {
        #expect(NearestName.all(like: written, among: ["NODE_NAME", "FLOWS", "NODE_DNS"]) == meant)
    }

    @Test func nothingIsNearToAnythingElse() {
        #expect(NearestName.find("redis", among: ["mysql", "web"]) == nil)
        #expect(NearestName.find("redis", among: []) == nil)
        #expect(NearestName.find(String(repeating: "a", count: 65), among: [String(repeating: "a", count: 65)]) == nil)
    }
}
