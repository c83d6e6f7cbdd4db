// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import NetlinkAttributes
import NetworkTypes

/// One element as the kernel lists it.
struct KernelElement {
    var key: [UInt8] = []
    var end: [UInt8]?
    var endsInterval = false
    var target: ChainVerdict?
}

/// Reads the elements of one message of a dump.
enum ElementReader {
    static func elements(_ attributes: Slice<UnsafeRawBufferPointer>) -> [KernelElement] {
        elements(Attributes(attributes))
    }

    static func elements(_ attributes: Attributes) -> [KernelElement] {
        var elements: [KernelElement] = []
        for list in attributes where list.type == Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) {
            for element in list.nested { elements.append(read(element)) }
        }
        return elements
    }

    private static func read(_ element: Attribute) -> KernelElement {
        var read = KernelElement()
        for attribute in element.nested {
            switch attribute.type {
            case Int(NFTA_SET_ELEM_KEY.rawValue): read.key = value(attribute)
            case Int(NFTA_SET_ELEM_KEY_END.rawValue): read.end = value(attribute)
            case Int(NFTA_SET_ELEM_FLAGS.rawValue):
                read.endsInterval = attribute.integer(UInt32.self) & UInt32(NFT_SET_ELEM_INTERVAL_END.rawValue) != 0
            case Int(NFTA_SET_ELEM_DATA.rawValue): read.target = verdict(attribute)
            default: continue
            }
        }
        return read
    }

    private static func value(_ attribute: Attribute) -> [UInt8] {
        for value in attribute.nested where value.type == Int(NFTA_DATA_VALUE.rawValue) {
            return Array(value.value.bytes)
        }
        return []
    }

    private static func verdict(_ data: Attribute) -> ChainVerdict? {
        for verdict in data.nested where verdict.type == Int(NFTA_DATA_VERDICT.rawValue) {
            var code: Int32 = 0
            var chain = ""
            for attribute in verdict.nested {
                if attribute.type == Int(NFTA_VERDICT_CODE.rawValue) { code = attribute.integer() }
                if attribute.type == Int(NFTA_VERDICT_CHAIN.rawValue) { chain = attribute.text }
            }
            return ChainVerdict(code: code, chain: chain)
        }
        return nil
    }
}

extension SetShape {
    /// The members that a plan would have for what the kernel lists; nil if no plan has such members.
    func members(_ elements: [KernelElement]) -> Members? {
        guard fields.count == 1, !isMap, fields[0].family != nil else {
            return .elements(Set(elements.map { SetElement(key: $0.key, end: $0.end, target: $0.target) }))
        }
        var addresses: [(address: IPAddress, isEnd: Bool)] = []
        for element in elements {
            guard let address = IPAddress(networkBytes: element.key) else { return nil }
            addresses.append((address, element.endsInterval))
        }
        guard isInterval else { return .addresses(Set(addresses.map(\.address))) }
        let boundaries = addresses.map { RangeBoundary(address: $0.address, isEnd: $0.isEnd) }.sorted()
        return RangeBoundary.ranges(boundaries).map { .ranges($0) }
    }
}
