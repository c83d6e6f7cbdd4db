// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetlinkAttributes
import NetworkTypes

/// One message of the answer to a ``RouteMessage``. Pure: bytes in, values out.
public enum RouteAnswer: Sendable, Hashable {
    /// `isOwn`: Bulkhead has added it.
    case rule(MarkRule, isOwn: Bool)
    case route(TableRoute, isOwn: Bool)
    /// The request with this number is answered: 0 for success, or an errno; EINTR for a dump whose content is
    /// inconsistent.
    case ended(sequence: UInt32, code: Int32)
    /// A rule or a route of another kind.
    case other

    /// All messages of one datagram, in order.
    ///
    /// - Throws: ``NodeNetworkError/truncated(what:needed:available:)`` and
    ///   ``NodeNetworkError/invalid(what:value:)`` for bytes that are not netlink messages.
    public static func parse(_ datagram: UnsafeRawBufferPointer) throws(NodeNetworkError) -> [RouteAnswer] {
        do throws(NetlinkFormatError) {
            let bytes = NetlinkBytes(bytes: datagram)
            var answers: [RouteAnswer] = []
            var position = 0
            while let (header, body) = try bytes.message(at: &position) { answers.append(try answer(header, body)) }
            return answers
        } catch {
            throw NodeNetworkError(error)
        }
    }

    private static func answer(_ header: nlmsghdr, _ body: NetlinkBytes) throws(NetlinkFormatError) -> RouteAnswer {
        switch Int(header.nlmsg_type) {
        case Int(NLMSG_DONE):
            let isInterrupted = header.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0
            // Newer kernels put the error of a failed dump here.
            let code = body.count >= 4 ? try errorNumber(body) : 0
            return .ended(sequence: header.nlmsg_seq, code: isInterrupted ? EINTR : code)
        case Int(NLMSG_ERROR):
            return .ended(sequence: header.nlmsg_seq, code: try errorNumber(body))
        case RTM_NEWRULE: return try rule(body) ?? .other
        case RTM_NEWROUTE: return try route(body) ?? .other
        default: return .other
        }
    }

    /// The kernel writes errno's negative. The least number has no opposite, and no errno is as large.
    private static func errorNumber(_ body: NetlinkBytes) throws(NetlinkFormatError) -> Int32 {
        0 &- (try body.load(Int32.self, "error code"))
    }

    /// Nil for a rule that matches by more than the mark and the input device, or does not lead to a table.
    private static func rule(_ body: NetlinkBytes) throws(NetlinkFormatError) -> RouteAnswer? {
        let header = try body.load(fib_rule_hdr.self, "rule header")
        guard let family = AddressFamilyNumber.family(header.family), header.action == UInt8(FR_ACT_TO_TBL),
            header.src_len == 0, header.dst_len == 0, header.tos == 0, header.flags & UInt32(FIB_RULE_INVERT) == 0
        else { return nil }
        var rule = MarkRule(family, priority: 0, mark: 0, mask: 0, table: UInt32(header.table))
        var (isByMark, isOwn) = (true, false)
        try body.forEachAttribute(from: MemoryLayout<fib_rule_hdr>.size) { type, payload throws(NetlinkFormatError) in
            switch type {
            case Int(FRA_PRIORITY): rule.priority = try payload.load(UInt32.self, "priority")
            case Int(FRA_FWMARK): rule.mark = try payload.load(UInt32.self, "mark")
            case Int(FRA_FWMASK): rule.mask = try payload.load(UInt32.self, "mask")
            case Int(FRA_TABLE): rule.table = try payload.load(UInt32.self, "table")
            case Int(FRA_PROTOCOL): isOwn = try payload.load(UInt8.self, "owner") == RouteOwner.number
            case Int(FRA_IIFNAME): rule.input = payload.text
            case Int(FRA_OIFNAME), Int(FRA_TUN_ID), Int(FRA_L3MDEV), Int(FRA_UID_RANGE),
                Int(FRA_IP_PROTO), Int(FRA_SPORT_RANGE), Int(FRA_DPORT_RANGE):
                isByMark = false
            default: break
            }
        }
        return isByMark && rule.mask != 0 ? .rule(rule, isOwn: isOwn) : nil
    }

    /// Nil for routes with several next hops, and of kinds that ``TableRoute`` does not have.
    private static func route(_ body: NetlinkBytes) throws(NetlinkFormatError) -> RouteAnswer? {
        let header = try body.load(rtmsg.self, "route header")
        guard let family = AddressFamilyNumber.family(header.rtm_family),
            header.rtm_flags & UInt32(RTM_F_CLONED) == 0
        else { return nil }
        guard Int(header.rtm_dst_len) <= family.bitWidth else {
            throw .invalid(what: "prefix length", value: Int(header.rtm_dst_len))
        }
        var (table, metric, link) = (UInt32(header.rtm_table), UInt32(0), UInt32(0))
        var network = family.everything.network
        var router: IPAddress?
        try body.forEachAttribute(from: MemoryLayout<rtmsg>.size) { type, payload throws(NetlinkFormatError) in
            switch type {
            case Int(RTA_TABLE.rawValue): table = try payload.load(UInt32.self, "table")
            case Int(RTA_DST.rawValue): network = try payload.address(family)
            case Int(RTA_OIF.rawValue): link = try payload.load(UInt32.self, "route device")
            case Int(RTA_PRIORITY.rawValue): metric = try payload.load(UInt32.self, "metric")
            case Int(RTA_GATEWAY.rawValue): router = try payload.address(family)
            default: break
            }
        }
        let target: TableRoute.Target
        switch (Int(header.rtm_type), link) {
        case (Int(RTN_UNREACHABLE), _): target = .unreachable
        case (_, 0): return nil
        case (Int(RTN_UNICAST), _): target = .link(link, via: router)
        case (Int(RTN_LOCAL), _): target = .local(link)
        default: return nil
        }
        let destination = CIDR(network, prefixLength: Int(header.rtm_dst_len))
        return .route(
            TableRoute(destination, table: table, target, metric: metric),
            isOwn: header.rtm_protocol == RouteOwner.number)
    }
}
