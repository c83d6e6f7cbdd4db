// SPDX-License-Identifier: Apache-2.0

/// An IP protocol number (IANA assigned internet protocol numbers).
public struct IPProtocol: RawRepresentable, Sendable, Hashable, Comparable, CustomStringConvertible {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let icmp = IPProtocol(rawValue: 1)
    public static let tcp = IPProtocol(rawValue: 6)
    public static let udp = IPProtocol(rawValue: 17)
    public static let icmpv6 = IPProtocol(rawValue: 58)
    public static let sctp = IPProtocol(rawValue: 132)

    /// The three protocols with ports that a rule can name (core/v1 Protocol), in the order of their port tables.
    public static let withPorts: [IPProtocol] = [.tcp, .udp, .sctp]

    public var hasPorts: Bool { self == .tcp || self == .udp || self == .sctp }

    /// Reads `tcp`, `UDP`, `icmp`, …, or a number 0...255. Nil for anything else.
    public init?(name: some StringProtocol) {
        switch name.lowercased() {
        case "tcp": self = .tcp
        case "udp": self = .udp
        case "sctp": self = .sctp
        case "icmp": self = .icmp
        case "icmpv6", "icmp6", "ipv6-icmp": self = .icmpv6
        default:
            // UInt8 would accept a sign.
            guard name.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt8(name) else { return nil }
            self.init(rawValue: number)
        }
    }

    public var description: String {
        switch self {
        case .tcp: "TCP"
        case .udp: "UDP"
        case .sctp: "SCTP"
        case .icmp: "ICMP"
        case .icmpv6: "ICMPv6"
        default: "\(rawValue)"
        }
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Ports `first` to `last`, both included; `first` is not above `last`.
public struct PortRange: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let first: UInt16
    public let last: UInt16

    public init(_ first: UInt16, _ last: UInt16) {
        precondition(first <= last, "port range upside down")
        self.first = first
        self.last = last
    }
    public init(_ port: UInt16) { self.init(port, port) }

    /// Every port, 0 included: a packet may carry port 0, and a rule without a port matches it.
    public static let all = PortRange(0, .max)

    public func contains(_ port: UInt16) -> Bool { first <= port && port <= last }

    public var description: String { first == last ? "\(first)" : "\(first)-\(last)" }

    public static func < (a: Self, b: Self) -> Bool { (a.first, a.last) < (b.first, b.last) }
}

/// What a verdict is about: one flow in its original direction, after destination NAT and before source NAT.
public struct Flow: Sendable, Hashable, CustomStringConvertible {
    public var source: IPAddress
    public var destination: IPAddress
    public var ipProtocol: IPProtocol
    /// Nil for protocols without ports.
    public var destinationPort: UInt16?

    public init(source: IPAddress, destination: IPAddress, ipProtocol: IPProtocol, destinationPort: UInt16?) {
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.destinationPort = ipProtocol.hasPorts ? destinationPort : nil
    }

    public var description: String {
        let port = destinationPort.map { "\($0)/" } ?? ""
        return "\(source) -> \(destination) \(port)\(ipProtocol)"
    }
}
