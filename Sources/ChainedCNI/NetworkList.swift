// SPDX-License-Identifier: Apache-2.0
import Documents

/// A node's CNI configuration: a list of plugins (`.conflist`) or a single plugin (`.conf`, `.json`). Everything except
/// the plugin's own entry stays as it was written, byte for byte.
public struct NetworkList: Sendable, Hashable {
    /// As it is now.
    public private(set) var text: [UInt8]
    /// The ranges of the entries of `plugins`, in order.
    private var places: [Range<Int>]
    /// Which of them is this plugin's.
    private var own: Int?

    /// Reads a list.
    ///
    /// - Throws: ``NetworkListError``.
    public init(_ text: [UInt8]) throws(NetworkListError) {
        let list = try Self.object(text)
        guard let entries = list["plugins"]?.items, !entries.isEmpty else {
            throw NetworkListError.invalid("'plugins' must be a list with at least one entry")
        }
        for (index, entry) in entries.enumerated() where entry.node["type"]?.string == nil {
            throw NetworkListError.invalid("plugins[\(index)] has no type")
        }
        try Self.checkVersion(list.node)
        self.text = text
        places = entries.map(\.range)
        own = entries.firstIndex { $0.node["type"]?.string == PluginSettings.type }
    }

    /// A list with the one plugin of a configuration without a list.
    public init(ofPlugin text: [UInt8]) throws(NetworkListError) {
        let placed = try Self.object(text)
        let node = placed.node
        guard node["type"]?.string != nil else { throw NetworkListError.invalid("it has no type") }
        try Self.checkVersion(node)
        guard let version = node["cniVersion"]?.string, let name = node["name"]?.string
        else { throw NetworkListError.unsuitable("it has no name") }
        let plugin = String(decoding: text[placed.range], as: UTF8.self)
        let list = """
            {
              "cniVersion": \(JSONString.quoted(version)),
              "name": \(JSONString.quoted(name)),
              "plugins": [
                \(plugin)
              ]
            }

            """
        try self.init(Array(list.utf8))
    }

    /// Whether the plugin has an entry.
    public var hasPlugin: Bool { own != nil }
    /// How many entries others have.
    public var othersCount: Int { places.count - (own == nil ? 0 : 1) }

    /// Adds the plugin after all others, or updates its entry.
    ///
    /// - Returns: whether that changed anything.
    public mutating func put(_ settings: PluginSettings) throws(NetworkListError) -> Bool {
        let entry = Array(settings.json.utf8)
        if let own {
            if (try? JSONReader.read(Array(text[places[own]])).withoutPlaces)
                == (try? JSONReader.read(entry).withoutPlaces)
            {
                return false
            }
            try replace(places[own], with: entry)
            return true
        }
        guard let last = places.last else { return false }
        guard othersCount > 0 else {
            throw NetworkListError.unsuitable("there is no other plugin to chain after")
        }
        try replace(last.upperBound..<last.upperBound, with: Array(",".utf8) + space(before: last) + entry)
        return true
    }

    /// Removes the plugin.
    ///
    /// - Returns: whether it was in the list.
    public mutating func remove() throws(NetworkListError) -> Bool {
        guard let own else { return false }
        let place = places[own]
        if own > 0 {
            try replace(places[own - 1].upperBound..<place.upperBound, with: [])
        } else if places.count > 1 {
            try replace(place.lowerBound..<places[1].lowerBound, with: [])
        } else {
            throw NetworkListError.unsuitable("it has no other plugin")
        }
        return true
    }

    private mutating func replace(_ range: Range<Int>, with bytes: [UInt8]) throws(NetworkListError) {
        self = try NetworkList(Array(text[..<range.lowerBound]) + bytes + Array(text[range.upperBound...]))
    }

    /// The space before an entry, with a line's end in it, so that the next one is written in the same way.
    private func space(before place: Range<Int>) -> [UInt8] {
        let before = text[..<place.lowerBound]
        let space = before.suffix(while: { $0 <= 32 })
        return Array(space.lastIndex(of: UInt8(ascii: "\n")).map { space[$0...] } ?? [])
    }

    private static func object(_ text: [UInt8]) throws(NetworkListError) -> PlacedNode {
        let placed: PlacedNode
        do {
            placed = try JSONReader.readPlaced(text, limits: CNILimits.text)
        } catch {
            throw NetworkListError.invalid("it is not valid JSON: \(error)")
        }
        guard case .mapping = placed.node.value else { throw NetworkListError.invalid("it is not a JSON object") }
        return placed
    }

    /// In a network with another version, each call of the plugin would fail.
    private static func checkVersion(_ node: DocumentNode) throws(NetworkListError) {
        let version = node["cniVersion"]?.string
        guard let version, CNIVersion.supported.contains(version) else {
            throw NetworkListError.unsuitable(
                "its cniVersion is \(version ?? "missing"); there are \(CNIVersion.supported.joined(separator: ", "))")
        }
    }
}

/// Why a CNI configuration cannot have the plugin.
public enum NetworkListError: Error, Sendable, Hashable, CustomStringConvertible {
    /// No runtime can use it.
    case invalid(String)
    /// A runtime can use it, but the plugin cannot work in it.
    case unsuitable(String)

    public var description: String {
        switch self {
        case .invalid(let reason), .unsuitable(let reason): reason
        }
    }
}

extension Collection {
    fileprivate func suffix(while condition: (Element) -> Bool) -> SubSequence where Self: BidirectionalCollection {
        var start = endIndex
        while start > startIndex {
            let before = index(before: start)
            guard condition(self[before]) else { break }
            start = before
        }
        return self[start...]
    }
}

extension DocumentNode {
    /// The content without its positions.
    fileprivate var withoutPlaces: DocumentNode {
        switch value {
        case .mapping(let entries):
            DocumentNode(
                .mapping(
                    entries.sorted { $0.key < $1.key }.map {
                        Entry(key: $0.key, line: 1, column: 1, value: $0.value.withoutPlaces)
                    }))
        case .sequence(let items): DocumentNode(.sequence(items.map(\.withoutPlaces)))
        default: DocumentNode(value)
        }
    }
}
