// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import NetlinkAttributes
import NetworkTypes

/// Reads `struct ndmsg`: neighbors of the node, and what bridges know about their ports.
enum NeighborReader {
    static func message(_ body: NetlinkBytes, isRemoval: Bool) throws(NetlinkFormatError) -> NetworkMessage {
        let header = try body.load(ndmsg.self, "neighbor header")
        guard header.ndm_ifindex > 0 else { throw .invalid(what: "neighbor's link", value: Int(header.ndm_ifindex)) }
        let link = UInt32(header.ndm_ifindex)
        if header.ndm_family == AddressFamilyNumber.bridge {
            guard let entry = try forwarding(body, header, link) else { return .other }
            return isRemoval ? .forwardingRemoved(entry) : .forwarding(entry)
        }
        guard let family = AddressFamilyNumber.family(header.ndm_family),
            let neighbor = try neighbor(body, header, link, family)
        else { return .other }
        return isRemoval || neighbor.hardware == 0 ? .neighborRemoved(neighbor) : .neighbor(neighbor)
    }

    private static func neighbor(
        _ body: NetlinkBytes, _ header: ndmsg, _ link: UInt32, _ family: AddressFamily
    ) throws(NetlinkFormatError) -> Neighbor? {
        var address: IPAddress?
        var hardware: UInt64?
        try body.forEachAttribute(from: MemoryLayout<ndmsg>.size) { type, payload throws(NetlinkFormatError) in
            switch type {
            case Int(NDA_DST): address = try payload.address(family)
            case Int(NDA_LLADDR): hardware = payload.hardwareAddress
            default: break
            }
        }
        guard let address else { return nil }
        let isKnown = header.ndm_state & State.withoutAnswer == 0
        return Neighbor(link: link, address: address, hardware: isKnown ? hardware ?? 0 : 0)
    }

    private static func forwarding(
        _ body: NetlinkBytes, _ header: ndmsg, _ port: UInt32
    ) throws(NetlinkFormatError) -> ForwardingEntry? {
        // The port's own address, which the bridge keeps forever, says nothing about the far end.
        guard header.ndm_state & State.permanent == 0 else { return nil }
        var bridge: UInt32?
        var hardware: UInt64?
        try body.forEachAttribute(from: MemoryLayout<ndmsg>.size) { type, payload throws(NetlinkFormatError) in
            switch type {
            case Int(NDA_MASTER): bridge = try payload.load(UInt32.self, "bridge")
            case Int(NDA_LLADDR): hardware = payload.hardwareAddress
            default: break
            }
        }
        guard let bridge, let hardware, bridge != port else { return nil }
        return ForwardingEntry(bridge: bridge, port: port, hardware: hardware)
    }

    /// NUD_INCOMPLETE, NUD_FAILED, NUD_NOARP and NUD_PERMANENT (linux/neighbour.h).
    private enum State {
        static let withoutAnswer: UInt16 = 0x01 | 0x20 | 0x40
        static let permanent: UInt16 = 0x80
    }
}
