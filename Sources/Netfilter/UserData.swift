// SPDX-License-Identifier: Apache-2.0

/// Bytes that the kernel keeps with an object for its users: type, length and value, one after the other, in the form
/// that `nft` writes.
package struct UserData: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []

    /// Type of a comment on a table, chain, rule or object (NFTNL_UDATA_*_COMMENT).
    static let comment: UInt8 = 0
    /// Our own, on objects: ``TableObject/mark``. `nft` skips types that it does not know.
    package static let mark: UInt8 = 0xb1
    /// Types on sets (NFTNL_UDATA_SET_KEYBYTEORDER, NFTNL_UDATA_SET_COMMENT).
    static let keyByteOrder: UInt8 = 0
    static let setComment: UInt8 = 7
    /// NFTNL_UDATA_SET_KEY_TYPEOF.
    static let keyTypeof: UInt8 = 3

    init() {}
    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func append(_ type: UInt8, _ value: [UInt8]) { bytes += [type, UInt8(value.count)] + value }

    /// The comment with its terminating zero; nothing for an empty text.
    static func comment(_ text: String, type: UInt8 = comment) -> UserData {
        var data = UserData()
        if !text.isEmpty { data.append(type, Array(text.utf8) + [0]) }
        return data
    }

    /// The value of the first entry of a type.
    package func value(of type: UInt8) -> ArraySlice<UInt8>? {
        var rest = bytes[...]
        while rest.count >= 2 {
            let length = Int(rest[rest.startIndex + 1])
            guard rest.count >= 2 + length else { return nil }
            let value = rest.dropFirst(2).prefix(length)
            if rest.first == type { return value }
            rest = rest.dropFirst(2 + length)
        }
        return nil
    }

    /// Hands the bytes to what keeps them with an object; not called for no bytes.
    func store(_ body: (UnsafeRawPointer?, UInt32) -> Void) {
        guard !bytes.isEmpty else { return }
        bytes.withUnsafeBytes { body($0.baseAddress, UInt32($0.count)) }
    }
}
