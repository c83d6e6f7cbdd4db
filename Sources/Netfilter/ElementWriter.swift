// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import NetworkTypes

/// Fills the list of elements of one message.
struct ElementWriter {
    private let header: UnsafeMutablePointer<nlmsghdr>
    private let list: UnsafeMutablePointer<nlattr>
    private var count = 0
    /// Elements per message: the fastest number measured, far below the 64 KiB that the list can have.
    private static let elementLimit = 900
    private static let byteLimit = 56 << 10

    /// Names the set of a message.
    static func target(_ set: String, of table: TableIdentity, _ header: UnsafeMutablePointer<nlmsghdr>) {
        mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), table.name)
        mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set)
    }

    init(_ set: String, of table: TableIdentity, _ header: UnsafeMutablePointer<nlmsghdr>) {
        self.header = header
        Self.target(set, of: table, header)
        list = mnl_attr_nest_start(header, UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
    }

    var hasRoom: Bool { count < Self.elementLimit && Int(header.pointee.nlmsg_len) < Self.byteLimit }

    func finish() { mnl_attr_nest_end(header, list) }

    mutating func put(_ address: IPAddress, endsInterval: Bool = false) {
        count += 1
        let element = mnl_attr_nest_start(header, UInt16(NFTA_LIST_ELEM.rawValue))
        if endsInterval {
            let flags = UInt32(NFT_SET_ELEM_INTERVAL_END.rawValue).bigEndian
            mnl_attr_put_u32(header, UInt16(NFTA_SET_ELEM_FLAGS.rawValue), flags)
        }
        let key = mnl_attr_nest_start(header, UInt16(NFTA_SET_ELEM_KEY.rawValue))
        if address.family == .ipv4 {
            mnl_attr_put_u32(header, UInt16(NFTA_DATA_VALUE.rawValue), address.v4.bigEndian)
        } else {
            withUnsafeBytes(of: (address.high.bigEndian, address.low.bigEndian)) {
                mnl_attr_put(header, UInt16(NFTA_DATA_VALUE.rawValue), 16, $0.baseAddress)
            }
        }
        mnl_attr_nest_end(header, key)
        mnl_attr_nest_end(header, element)
    }

    mutating func put(_ element: SetElement, withData: Bool) {
        count += 1
        let start = mnl_attr_nest_start(header, UInt16(NFTA_LIST_ELEM.rawValue))
        putKey(element.key, NFTA_SET_ELEM_KEY)
        if let end = element.end { putKey(end, NFTA_SET_ELEM_KEY_END) }
        if withData, let target = element.target {
            let data = mnl_attr_nest_start(header, UInt16(NFTA_SET_ELEM_DATA.rawValue))
            let verdict = mnl_attr_nest_start(header, UInt16(NFTA_DATA_VERDICT.rawValue))
            let code = UInt32(bitPattern: target.code).bigEndian
            mnl_attr_put_u32(header, UInt16(NFTA_VERDICT_CODE.rawValue), code)
            if let chain = target.chain { mnl_attr_put_strz(header, UInt16(NFTA_VERDICT_CHAIN.rawValue), chain) }
            mnl_attr_nest_end(header, verdict)
            mnl_attr_nest_end(header, data)
        }
        mnl_attr_nest_end(header, start)
    }

    private func putKey(_ bytes: [UInt8], _ type: nft_set_elem_attributes) {
        let key = mnl_attr_nest_start(header, UInt16(type.rawValue))
        mnl_attr_put(header, UInt16(NFTA_DATA_VALUE.rawValue), bytes.count, bytes)
        mnl_attr_nest_end(header, key)
    }
}
