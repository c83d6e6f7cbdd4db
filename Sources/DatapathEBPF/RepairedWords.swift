// SPDX-License-Identifier: Apache-2.0

/// Words of a map that others had written, and that were restored.
struct RepairedWords {
    private(set) var count = 0
    /// The first of them, by their place in the map.
    private(set) var places: [UInt32] = []

    /// Places that are kept.
    static let namedLimit = 16

    mutating func add(_ word: UInt32) {
        count += 1
        if places.count < Self.namedLimit { places.append(word) }
    }

    /// In words: each place, and how many there are besides.
    ///
    /// - Parameter map: the name of the map.
    func named(_ map: String, _ name: (UInt32) -> String) -> [String] {
        let more = count - places.count
        // Two words next to each other may be one thing.
        var names: [String] = []
        for place in places.map(name) where !names.contains(place) { names.append(place) }
        return names + (more > 0 ? ["\(more) more words of the \(map)"] : [])
    }
}
