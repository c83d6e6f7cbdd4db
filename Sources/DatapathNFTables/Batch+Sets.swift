// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CLinuxShim
import Glibc
import Netfilter
import NetworkTypes

extension Batch {
    /// `number` tells sets of one transaction apart.
    mutating func declare(_ shape: SetShape, number: UInt32) {
        append(Int(NFT_MSG_NEWSET), NLM_F_CREATE, "add the set \(shape.name)") { header in
            let set = nftnl_set_alloc()
            defer { nftnl_set_free(set) }
            nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE), TableName.table)
            nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME), shape.name)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_ID), number)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_FLAGS), shape.flags)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_KEY_TYPE), shape.keyType)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_KEY_LEN), UInt32(shape.keyBytes))
            if shape.isMap {
                nftnl_set_set_u32(set, UInt16(NFTNL_SET_DATA_TYPE), SetShape.verdictType)
                nftnl_set_set_u32(set, UInt16(NFTNL_SET_DATA_LEN), 16)
            }
            if shape.isInterval, shape.fields.count > 1 {
                let lengths = shape.fields.map { UInt8($0.byteCount) }
                _ = nftnl_set_set_data(set, UInt16(NFTNL_SET_DESC_CONCAT), lengths, UInt32(lengths.count))
            }
            shape.userData.withBytes { _ = nftnl_set_set_data(set, UInt16(NFTNL_SET_USERDATA), $0, $1) }
            nftnl_set_nlmsg_build_payload(header, set)
        }
    }

    mutating func removeSet(_ name: String) {
        append(Int(NFT_MSG_DELSET), 0, "remove the set \(name)") { header in
            mnl_attr_put_strz(header, UInt16(NFTA_SET_TABLE.rawValue), TableName.table)
            mnl_attr_put_strz(header, UInt16(NFTA_SET_NAME.rawValue), name)
        }
    }

    /// Removes all members.
    mutating func empty(_ set: String) {
        append(Int(NFT_MSG_DELSETELEM), 0, "empty the set \(set)") { ElementWriter.target(set, $0) }
    }

    mutating func addMembers(_ set: TableSet) {
        writeMembers(set, Int(NFT_MSG_NEWSETELEM), NLM_F_CREATE, "add members of \(set.shape.name)", withData: true)
    }

    /// Members of an interval set are not removed one by one: such a set is emptied and filled.
    mutating func removeMembers(_ set: TableSet) {
        writeMembers(set, Int(NFT_MSG_DELSETELEM), 0, "remove members of \(set.shape.name)", withData: false)
    }

    private mutating func writeMembers(
        _ set: TableSet, _ type: Int, _ flags: Int32, _ step: String, withData: Bool
    ) {
        switch set.members {
        case .addresses(let addresses):
            var rest = addresses.makeIterator()
            var next = rest.next()
            while next != nil {
                append(type, flags, step) { header in
                    var writer = ElementWriter(set.shape.name, header)
                    while let address = next, writer.hasRoom {
                        writer.put(address)
                        next = rest.next()
                    }
                    writer.finish()
                }
            }
        case .ranges(let ranges):
            var rest = RangeBoundary.all(ranges)[...]
            while !rest.isEmpty {
                append(type, flags, step) { header in
                    var writer = ElementWriter(set.shape.name, header)
                    while let boundary = rest.first, writer.hasRoom {
                        writer.put(boundary.address, endsInterval: boundary.isEnd)
                        rest = rest.dropFirst()
                    }
                    writer.finish()
                }
            }
        case .elements(let elements):
            var rest = elements.makeIterator()
            var next = rest.next()
            while next != nil {
                append(type, flags, step) { header in
                    var writer = ElementWriter(set.shape.name, header)
                    while let element = next, writer.hasRoom {
                        writer.put(element, withData: withData)
                        next = rest.next()
                    }
                    writer.finish()
                }
            }
        }
    }
}

/// Where a range begins, or the first address after one.
struct RangeBoundary: Hashable, Comparable {
    var address: IPAddress
    var isEnd: Bool

    static func < (a: Self, b: Self) -> Bool { a.address < b.address }

    /// The boundaries as `nft` writes them: in order, with one at the first address of all.
    static func all(_ ranges: [AddressRange]) -> [RangeBoundary] {
        var boundaries: [RangeBoundary] = []
        for range in ranges {
            if boundaries.isEmpty, range.first.predecessor != nil {
                boundaries.append(RangeBoundary(address: range.first.masked(to: 0), isEnd: true))
            }
            boundaries.append(RangeBoundary(address: range.first, isEnd: false))
            if let after = range.last.successor { boundaries.append(RangeBoundary(address: after, isEnd: true)) }
        }
        return boundaries
    }

    /// The ranges between boundaries in order; nil when they make none.
    static func ranges(_ boundaries: [RangeBoundary]) -> [AddressRange]? {
        var ranges: [AddressRange] = []
        var open: IPAddress?
        for boundary in boundaries {
            switch (open, boundary.isEnd) {
            case (nil, true): continue
            case (nil, false): open = boundary.address
            case (let first?, true):
                guard let last = boundary.address.predecessor else { return nil }
                ranges.append(AddressRange(first: first, last: last))
                open = nil
            case (_?, false): return nil
            }
        }
        if let first = open { ranges.append(AddressRange(first: first, last: first.filled(from: 0))) }
        return ranges
    }
}

/// Fills the list of elements of one message.
struct ElementWriter {
    private let header: UnsafeMutablePointer<nlmsghdr>
    private let list: UnsafeMutablePointer<nlattr>
    private var count = 0
    /// Elements a message: what was measured to be fastest, and far below the 64 KiB that the list can be.
    private static let elementLimit = 900
    private static let byteLimit = 56 << 10

    static func target(_ set: String, _ header: UnsafeMutablePointer<nlmsghdr>) {
        mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), TableName.table)
        mnl_attr_put_strz(header, UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set)
    }

    init(_ set: String, _ header: UnsafeMutablePointer<nlmsghdr>) {
        self.header = header
        Self.target(set, header)
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
