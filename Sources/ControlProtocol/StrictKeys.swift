// SPDX-License-Identifier: Apache-2.0

/// Any key, to find out which keys are present.
private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension Decoder {
    /// A container, if every key of the object is one of `Key`'s. An unknown field could be the one that narrows a
    /// rule, so it is an error.
    func strictContainer<Key: CodingKey & CaseIterable>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        let known = Set(Key.allCases.map(\.stringValue))
        for key in try container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
            throw DecodingError.dataCorrupted(
                .init(codingPath: codingPath + [key], debugDescription: "unknown field"))
        }
        return try container(keyedBy: type)
    }
}

extension KeyedDecodingContainer {
    /// A list that is absent or not empty. An empty list is refused: it could mean no peers or all peers.
    func listIfPresent<Element: Decodable>(of type: Element.Type, forKey key: Key) throws -> [Element]? {
        let list = try decodeIfPresent([Element].self, forKey: key)
        if let list, list.isEmpty {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath + [key],
                    debugDescription: "empty list; leave the field out to match everything"))
        }
        return list
    }
}

extension Problem {
    /// What a decoder found wrong, with the path of the field.
    public init(_ error: DecodingError) {
        let context: DecodingError.Context
        var reason: String
        switch error {
        case .typeMismatch(let type, let found):
            context = found
            reason = "is not \(Problem.words(for: type))"
        case .valueNotFound(let type, let found):
            context = found
            reason = "is missing; it must be \(Problem.words(for: type))"
        case .keyNotFound(let key, let found):
            context = .init(codingPath: found.codingPath + [key], debugDescription: "")
            reason = "is missing"
        case .dataCorrupted(let found):
            context = found
            reason = found.debugDescription
        @unknown default:
            context = .init(codingPath: [], debugDescription: "")
            reason = "\(error)"
        }
        if context.codingPath.isEmpty, case .dataCorrupted = error {
            reason = "the body is not JSON, or has a number out of range"
        }
        self.init(field: Problem.path(context.codingPath), reason: reason)
    }

    private static func words(for type: Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Int.Type: "a whole number"
        default: "\(type)".hasPrefix("Array") ? "a list" : "an object"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        var path = ""
        for key in keys {
            if let index = key.intValue {
                path += "[\(index)]"
            } else {
                path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return path
    }
}
