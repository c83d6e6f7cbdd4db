// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A rule that sends marked packets to a routing table (`ip rule … fwmark MARK/MASK lookup TABLE`).
public struct MarkRule: Sendable, Hashable {
    public var family: AddressFamily
    /// Rules are asked in ascending order; the local table's is 0, the main table's 32766.
    public var priority: UInt32
    public var mark: UInt32
    /// The bits of a packet's mark that count.
    public var mask: UInt32
    public var table: UInt32
    /// Only for packets that arrive by this device; `lo` stands for those that this network namespace sends itself.
    ///
    /// The kernel asks for the way back to a packet's source (`rp_filter`) as if an answer arrived by the device to which
    /// the packet is routed, or by `lo` if it stays here; with the packet's mark if `src_valid_mark` is set.
    public var input: String?

    public init(
        _ family: AddressFamily, priority: UInt32, mark: UInt32, mask: UInt32, table: UInt32,
        input: String? = nil
    ) {
        self.family = family
        self.priority = priority
        self.mark = mark
        self.mask = mask
        self.table = table
        self.input = input
    }

    /// The kernel's number of the main table.
    public static let mainTable: UInt32 = 254
}

extension MarkRule: CustomStringConvertible {
    /// As `ip rule` lists it.
    public var description: String {
        let (mark, mask) = (String(mark, radix: 16), String(mask, radix: 16))
        let device = input.map { " iif \($0)" } ?? ""
        return "\(priority): from all fwmark 0x\(mark)/0x\(mask)\(device) lookup \(table)"
    }
}

/// A route of a table of Bulkhead's own.
public struct TableRoute: Sendable, Hashable {
    /// Where packets go.
    public enum Target: Sendable, Hashable {
        /// To a router that is on the link by declaration (`onlink`), whatever the link's addresses are; with nil, to
        /// the destination itself.
        case link(UInt32, via: IPAddress?)
        /// To this network namespace itself, whatever the destination is. The link is usually the loopback device.
        case local(UInt32)
        /// Nowhere: senders learn that the destination is unreachable.
        case unreachable
    }

    public var destination: CIDR
    public var table: UInt32
    public var target: Target
    /// Of two routes to one destination, the one with the lower metric is used.
    public var metric: UInt32

    public init(_ destination: CIDR, table: UInt32, _ target: Target, metric: UInt32 = 0) {
        self.destination = destination
        self.table = table
        self.target = target
        self.metric = metric
    }

    /// The route to everything.
    public init(defaultOf family: AddressFamily, table: UInt32, _ target: Target, metric: UInt32 = 0) {
        self.init(family.everything, table: table, target, metric: metric)
    }
}

extension TableRoute: CustomStringConvertible {
    /// As `ip route` lists it, with the link's number.
    public var description: String {
        let place =
            switch target {
            case .link(let link, let router): (router.map { "via \($0) " } ?? "") + "dev \(link)"
            case .local(let link): "dev \(link)"
            case .unreachable: ""
            }
        let kind =
            switch target {
            case .link: ""
            case .local: "local "
            case .unreachable: "unreachable "
            }
        return "\(kind)\(destination) \(place) table \(table) metric \(metric)"
    }
}

extension AddressFamily {
    /// 0.0.0.0/0 or ::/0.
    var everything: CIDR {
        CIDR(self == .ipv4 ? IPAddress(v4: 0) : IPAddress(v6High: 0, low: 0), prefixLength: 0)
    }
}
