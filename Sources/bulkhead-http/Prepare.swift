// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import Netfilter
import NetworkTypes
import NodeNetwork

/// Makes the pod's network namespace give every TCP connection to HAProxy, whatever its destination is.
struct Prepare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prepares the network namespace of the request proxy's pod.",
        discussion: """
            Writes the nftables table 'inet bulkhead-tproxy', and rules and routes by which packets to any address are \
            taken in. Needs NET_ADMIN in the namespace. Running it again changes nothing.
            """)

    @Option(help: ArgumentHelp("The port on which HAProxy listens on 127.0.0.1 and ::1.", valueName: "port"))
    var port: UInt16 = 15001

    @Option(help: ArgumentHelp("The routing table to use in the pod.", valueName: "number"))
    var table: UInt32 = 100

    func validate() throws {
        guard port > 0 else { throw ValidationError("--port is between 1 and 65535") }
        // linux/rtnetlink.h: unspecified, default, main and local.
        guard ![0, 253, 254, 255].contains(table) else {
            throw ValidationError("--table must be neither 0 nor one of the kernel's own tables 253, 254 and 255")
        }
    }

    func run() throws {
        guard access(Self.hostSetting, F_OK) != 0 else { throw PreparationError.nodesNamespace }
        do {
            let own = Self.ownAddresses()
            let families = try route(own: own)
            let table = TableIdentity(
                .inet, "bulkhead-tproxy", comment: "TCP to the request proxy, whatever its destination")
            var contents = TableContents(table)
            contents.chains["receive"] = TableChain(
                "receive", hook: .init("prerouting", number: 0, priority: -150), rules: rules(own, families))
            _ = try NetfilterSocket().commit(Transaction(replacing: contents), to: table)
            let names = families.map { $0 == .ipv4 ? "IPv4" : "IPv6" }.joined(separator: " and ")
            print("TCP connections of \(names) go to port \(port)")
        } catch {
            throw PreparationError.failed("\(error)")
        }
    }

    /// The rules and routes by which packets to any address are taken in.
    ///
    /// - Returns: the families for which the kernel has them.
    private func route(own: [IPAddress]) throws(NodeNetworkError) -> [AddressFamily] {
        var routing = try PolicyRouting()
        // Where the kernel checks sources by marked packets (src_valid_mark, which pods inherit from their node), the way
        // back to a client is the usual one.
        try routing.add(
            MarkRule(
                .ipv4, priority: 99, mark: Self.mark, mask: Self.mark, table: MarkRule.mainTable,
                input: "lo"))
        var families: [AddressFamily] = []
        for family in AddressFamily.allCases {
            do throws(NodeNetworkError) {
                try routing.set(TableRoute(defaultOf: family, table: table, .local(Self.loopback)))
                try routing.add(MarkRule(family, priority: 100, mark: Self.mark, mask: Self.mark, table: table))
                families.append(family)
            } catch {
                let isUnused = !own.contains { $0.family == family }
                guard isUnused, case .system(_, let code) = error, Self.isOff.contains(code) else { throw error }
            }
        }
        return families
    }

    /// With `disable_ipv6` the kernel answers EACCES; without IPv6 at all, EAFNOSUPPORT or EOPNOTSUPP.
    private static let isOff: Set = [EACCES, EAFNOSUPPORT, EOPNOTSUPP]
    /// Only the first network namespace of a machine has it.
    private static let hostSetting = "/proc/sys/net/core/netdev_max_backlog"

    /// The messages of ICMP and ICMPv6 about packets that did not arrive.
    private static let errors: [(IPProtocol, Field, UInt8)] =
        [3, 11, 12].map { (.icmp, .icmpv4Type, $0) } + [1, 2, 3, 4].map { (.icmpv6, .icmpType, $0) }

    /// Marks what the namespace takes in.
    private static let mark: UInt32 = 1
    /// The loopback device is the first of every network namespace.
    private static let loopback: UInt32 = 1

    private func rules(_ own: [IPAddress], _ families: [AddressFamily]) -> [TableRule] {
        let bytes = withUnsafeBytes(of: Self.loopback) { Array($0) }
        let take: [Term] = [
            .setMarkBits(.packet, mask: Self.mark, value: Self.mark), .verdict(.accept),
        ]
        var rules = [
            TableRule([.masked(.interface, mask: [0xff, 0xff, 0xff, 0xff], value: bytes), .verdict(.accept)])
        ]
        // Connections to the pod itself: probes and metrics.
        rules += own.map { address in
            TableRule([
                .family(address.family), .within(.destination(address.family), CIDR(host: address)), .verdict(.accept),
            ])
        }
        rules.append(TableRule([.transportProtocol(.tcp), .transparentSocket] + take))
        let listeners: [(AddressFamily, IPAddress)] = [
            (.ipv4, IPAddress(v4: 0x7f00_0001)), (.ipv6, IPAddress(v6High: 0, low: 1)),
        ]
        rules += listeners.filter { families.contains($0.0) }.map { family, address in
            TableRule(
                [.family(family), .transportProtocol(.tcp), .redirectToProxy(address, port: port)] + take)
        }
        // Errors about the proxy's connections are for the clients' addresses, which the proxy bears. Which connection they
        // are about is TCP's own check: connection tracking here would cost each packet of each request.
        rules += Self.errors.map { TableRule([.transportProtocol($0), .masked($1, mask: [0xff], value: [$2])] + take) }
        // Without HAProxy nothing passes on, even where the namespace forwards, as one does that has the node's settings.
        rules.append(TableRule([.transportProtocol(.tcp), .verdict(.drop)]))
        return rules
    }

    /// The addresses of the pod's interfaces, without the loopback device's.
    private static func ownAddresses() -> [IPAddress] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var result: [IPAddress] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr, entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0 else { continue }
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    result.append(IPAddress(v4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr)))
                }
            case AF_INET6:
                address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                    let bytes = withUnsafeBytes(of: address.pointee.sin6_addr) { Array($0) }
                    let halves = [bytes[..<8], bytes[8...]].map { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
                    result.append(IPAddress(v6High: halves[0], low: halves[1]))
                }
            default: break
            }
        }
        return result
    }
}

/// Why the namespace is not prepared.
private enum PreparationError: Error, CustomStringConvertible {
    case nodesNamespace
    case failed(String)

    var description: String {
        switch self {
        case .nodesNamespace:
            "this is the network namespace of the node itself, where every connection would be lost: run 'prepare' in "
                + "the proxy's pod, without hostNetwork"
        case .failed(let cause):
            "the network namespace is not prepared: \(cause); this needs root with NET_ADMIN in the pod"
        }
    }
}
