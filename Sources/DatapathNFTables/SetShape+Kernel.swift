// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import NetworkTypes

/// How the kernel and `nft` see a set.
extension SetShape {
    /// NFT_DATA_VERDICT, the data type of a map to verdicts.
    static let verdictType: UInt32 = 0xffff_ff00

    /// NFT_SET_* flags.
    var flags: UInt32 {
        var flags: UInt32 = 0
        if isMap { flags |= UInt32(NFT_SET_MAP.rawValue) }
        if isInterval { flags |= UInt32(NFT_SET_INTERVAL.rawValue) }
        if isInterval, fields.count > 1 { flags |= UInt32(NFT_SET_CONCAT.rawValue) }
        if timeoutMilliseconds > 0 { flags |= UInt32(NFT_SET_TIMEOUT.rawValue) }
        return flags
    }

    /// `nft`'s number of the key's type: six bits a field.
    var keyType: UInt32 { fields.reduce(0) { $0 << 6 | $1.typeNumber } }

    var userData: UserData {
        var data = UserData()
        if fields.count == 1 {
            // `nft`'s BYTEORDER_HOST_ENDIAN and BYTEORDER_BIG_ENDIAN.
            let order: UInt32 = fields[0] == .interface ? 1 : 2
            data.append(UserData.keyByteOrder, withUnsafeBytes(of: order) { Array($0) })
        }
        if !comment.isEmpty { data.append(UserData.setComment, Array(comment.utf8) + [0]) }
        return data
    }
}

extension Field {
    /// `nft`'s number of the type (its enum datatypes).
    var typeNumber: UInt32 {
        switch self {
        case .interface: 20
        case .source(let family), .destination(let family): family == .ipv4 ? 7 : 8
        case .arpSource: 7
        case .icmpType: 29
        case .hopLimit: 5
        case .transportProtocol: 12
        case .sourcePort, .destinationPort: 13
        case .frame(let part): part.typeNumber
        }
    }
}
