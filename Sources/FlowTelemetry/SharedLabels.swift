// SPDX-License-Identifier: Apache-2.0

/// Labels of pods as texts. Pods with the same labels share one array, so that a record of each of their flows takes a
/// word.
public struct SharedLabels: Sendable {
    private var known: [[String: String]: [String]] = [:]

    /// Labels of a pod that are kept, and bytes of them together. The rest is left out, from the end of the alphabet.
    public static let (countLimit, byteLimit) = (32, 1024)
    /// Sets of labels that are remembered.
    private static let setLimit = 1024

    public init() {}

    /// `key=value`, sorted.
    public mutating func texts(_ labels: [String: String]) -> [String] {
        if labels.isEmpty { return [] }
        if let texts = known[labels] { return texts }
        if known.count >= Self.setLimit { known = [:] }
        var (texts, bytes): ([String], Int) = ([], 0)
        for text in labels.map({ "\($0.key)=\($0.value)" }).sorted().prefix(Self.countLimit) {
            bytes += text.utf8.count
            guard bytes <= Self.byteLimit else { break }
            texts.append(text)
        }
        known[labels] = texts
        return texts
    }
}
