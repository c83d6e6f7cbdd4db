// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetlinkAttributes
import NetworkTypes

/// One request to rtnetlink: a header (`struct nlmsghdr`), a fixed body and attributes.
struct RouteMessage {
    private(set) var bytes: [UInt8] = []

    /// A request for everything of a kind.
    ///
    /// - Parameter type: RTM_GET….
    init<Body: BitwiseCopyable>(dump type: UInt16, sequence: UInt32, _ body: Body) {
        self.init(type, flags: NLM_F_DUMP, sequence: sequence, body)
    }

    /// - Parameters:
    ///   - type: RTM_….
    ///   - flags: NLM_F_… in addition to NLM_F_REQUEST.
    private init<Body: BitwiseCopyable>(_ type: UInt16, flags: Int32, sequence: UInt32, _ body: Body) {
        let header = nlmsghdr(
            nlmsg_len: 0, nlmsg_type: type, nlmsg_flags: UInt16(NLM_F_REQUEST | flags), nlmsg_seq: sequence,
            nlmsg_pid: 0)
        append(header)
        append(body)
        finish()
    }

    mutating func append(_ type: Int, _ value: UInt32) { append(type, withUnsafeBytes(of: value) { Array($0) }) }

    mutating func append(_ type: Int, _ value: IPAddress) {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            withUnsafeBytes(of: number.bigEndian) { Array($0) }
        }
        append(type, value.family == .ipv4 ? bytes(value.v4) : bytes(value.high) + bytes(value.low))
    }

    private mutating func append(_ type: Int, _ value: [UInt8]) {
        bytes += Self.attribute(type, value)
        finish()
    }

    /// `struct rtattr`: length and type, then the value.
    private static func attribute(_ type: Int, _ value: [UInt8]) -> [UInt8] {
        [UInt16(4 + value.count), UInt16(type)].flatMap { number in withUnsafeBytes(of: number) { Array($0) } } + value
    }

    private mutating func append<Value: BitwiseCopyable>(_ value: Value) {
        withUnsafeBytes(of: value) { bytes += $0 }
    }

    /// Pads to four bytes and notes the length.
    private mutating func finish() {
        bytes += [UInt8](repeating: 0, count: NetlinkBytes.aligned(bytes.count) - bytes.count)
        withUnsafeBytes(of: UInt32(bytes.count)) { bytes.replaceSubrange(0..<4, with: $0) }
    }
}

extension RouteMessage {
    /// A request about a rule: RTM_NEWRULE or RTM_DELRULE.
    init(_ type: Int, flags: Int32 = 0, sequence: UInt32, _ rule: MarkRule) {
        var header = fib_rule_hdr()
        header.family = rule.family.number
        header.action = UInt8(FR_ACT_TO_TBL)
        self.init(UInt16(type), flags: NLM_F_ACK | flags, sequence: sequence, header)
        append(Int(FRA_PRIORITY), rule.priority)
        append(Int(FRA_FWMARK), rule.mark)
        append(Int(FRA_FWMASK), rule.mask)
        append(Int(FRA_TABLE), rule.table)
        append(Int(FRA_PROTOCOL), [RouteOwner.number])
        if let input = rule.input { append(Int(FRA_IIFNAME), Array("\(input)\0".utf8)) }
    }

    /// A request about a route: RTM_NEWROUTE or RTM_DELROUTE.
    init(_ type: Int, flags: Int32 = 0, sequence: UInt32, _ route: TableRoute) {
        var header = rtmsg()
        header.rtm_family = route.destination.family.number
        header.rtm_dst_len = route.destination.prefixLength
        header.rtm_protocol = RouteOwner.number
        header.rtm_type = route.target.type
        header.rtm_scope = route.target.scope
        if case .link(_, via: .some) = route.target { header.rtm_flags = UInt32(RTNH_F_ONLINK) }
        self.init(UInt16(type), flags: NLM_F_ACK | flags, sequence: sequence, header)
        append(Int(RTA_TABLE.rawValue), route.table)
        append(Int(RTA_PRIORITY.rawValue), route.metric)
        if route.destination.prefixLength > 0 { append(Int(RTA_DST.rawValue), route.destination.network) }
        switch route.target {
        case .link(let link, let router):
            append(Int(RTA_OIF.rawValue), link)
            if let router { append(Int(RTA_GATEWAY.rawValue), router) }
        case .local(let link): append(Int(RTA_OIF.rawValue), link)
        case .unreachable: break
        }
    }
}

extension RouteMessage {
    /// RTM_SETLINK, for one number of a device's IPv4 settings: IFLA_AF_SPEC, in it AF_INET, in it IFLA_INET_CONF.
    ///
    /// - Parameter setting: IPV4_DEVCONF_….
    init(sequence: UInt32, link: UInt32, setting: Int, value: UInt32) {
        var header = ifinfomsg()
        header.ifi_index = Int32(bitPattern: link)
        self.init(UInt16(RTM_SETLINK), flags: NLM_F_ACK, sequence: sequence, header)
        let number = Self.attribute(setting, withUnsafeBytes(of: value) { Array($0) })
        let settings = Self.attribute(Int(IFLA_INET_CONF), number)
        append(Int(IFLA_AF_SPEC), Self.attribute(Int(AF_INET), settings))
    }
}

/// Who has added a rule or a route (RTA_PROTOCOL, FRA_PROTOCOL).
enum RouteOwner {
    /// Bulkhead. No number of a routing daemon (linux/rtnetlink.h), so that all of them leave it alone, and what an
    /// earlier run added is known.
    static let number: UInt8 = 66
}

extension TableRoute.Target {
    fileprivate var type: UInt8 {
        switch self {
        case .link: UInt8(RTN_UNICAST)
        case .local: UInt8(RTN_LOCAL)
        case .unreachable: UInt8(RTN_UNREACHABLE)
        }
    }

    fileprivate var scope: UInt8 {
        switch self {
        case .link(_, via: nil): UInt8(RT_SCOPE_LINK.rawValue)
        case .link, .unreachable: UInt8(RT_SCOPE_UNIVERSE.rawValue)
        case .local: UInt8(RT_SCOPE_HOST.rawValue)
        }
    }
}

extension AddressFamily {
    /// AF_INET or AF_INET6.
    var number: UInt8 { UInt8(self == .ipv4 ? AF_INET : AF_INET6) }
}
