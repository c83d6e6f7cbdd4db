// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import NetworkTypes

/// The kernel's and `nft`'s view of a set.
extension SetShape {
    /// NFT_DATA_VERDICT, the data type of a map to verdicts.
    static let verdictType: UInt32 = 0xffff_ff00

    /// NFT_SET_* flags.
    var flags: UInt32 {
        var flags: UInt32 = 0
        if isMap { flags |= UInt32(NFT_SET_MAP.rawValue) }
        if isInterval { flags |= UInt32(NFT_SET_INTERVAL.rawValue) }
        if isInterval, fields.count > 1 { flags |= UInt32(NFT_SET_CONCAT.rawValue) }
        return flags
    }

    /// `nft`'s number of the key's type: six bits per field.
    var keyType: UInt32 { fields.reduce(0) { $0 << 6 | $1.typeNumber } }

    var userData: UserData {
        var data = UserData()
        if fields.count == 1 {
            // `nft`'s BYTEORDER_HOST_ENDIAN and BYTEORDER_BIG_ENDIAN.
            let order: UInt32 = [.interface, .outInterface, .mark, .connectionMark].contains(fields[0]) ? 1 : 2
            data.append(UserData.keyByteOrder, withUnsafeBytes(of: order) { Array($0) })
        }
        if let typeof { data.append(UserData.keyTypeof, typeof) }
        if !comment.isEmpty { data.append(UserData.setComment, Array(comment.utf8) + [0]) }
        return data
    }

    /// How `nft` records a key of expressions whose types have no names: for each field what it is (EXPR_CT), which key
    /// of `ct`, and which direction (all ones: none).
    private var typeof: [UInt8]? {
        guard fields.contains(.connectionID) else { return nil }
        func entry(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { [type, UInt8(value.count)] + value }
        func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
        let parts = fields.enumerated().map { index, field in
            let any = UInt32.max
            let (key, direction): (UInt32, UInt32) =
                switch field {
                case .connectionSource(.ipv4, let isReply): (UInt32(NFT_CT_SRC_IP.rawValue), isReply ? 1 : 0)
                case .connectionSource(.ipv6, let isReply): (UInt32(NFT_CT_SRC_IP6.rawValue), isReply ? 1 : 0)
                default: (UInt32(NFT_CT_ID.rawValue), any)
                }
            let connection: UInt32 = 12
            return entry(
                UInt8(index),
                entry(0, number(connection)) + entry(1, entry(0, number(key)) + entry(1, number(direction))))
        }
        let concatenation: UInt32 = 13
        return entry(0, number(concatenation)) + entry(1, parts.flatMap { $0 })
    }
}

extension Field {
    /// `nft`'s number of the type (its enum datatypes).
    var typeNumber: UInt32 {
        switch self {
        case .interface, .outInterface: 20
        case .source(let family), .destination(let family), .connectionSource(let family, _), .nextHop(let family):
            family == .ipv4 ? 7 : 8
        case .hardwareSource: 9
        case .mark, .connectionMark: 19
        case .icmpv4Type: 14
        case .connectionID: 4
        case .arpSource: 7
        case .icmpType: 29
        case .hopLimit: 5
        case .transportProtocol: 12
        case .sourcePort, .destinationPort: 13
        case .part(let part):
            switch part.kind {
            case .integer: 5
            case .hardwareAddress: 9
            }
        }
    }
}
