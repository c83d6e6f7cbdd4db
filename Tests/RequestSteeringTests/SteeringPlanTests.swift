// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import RequestSteering
import Testing

/// What is steered, and by what: pure.
struct SteeringPlanTests {
    private static let settings = SteeringSettings()
    private static let server = IPAddress(v4: 0x0af4_000a)
    private static let server6 = IPAddress(v6High: 0xfd00 << 48, low: 10)
    private static let proxy4 = IPAddress(v4: 0x0af4_000b)

    /// A pod with one ingress program: rows for two address classes, columns for the ports 0-79, 80-89, 90 and the rest.
    private static func policy(_ cells: [CellAction], readsRequests: Bool = true) -> CompiledPolicy {
        var policy = CompiledPolicy()
        let bounds: [(UInt16, UInt16)] = [(0, 79), (80, 89), (90, 90), (91, .max)]
        policy.portSegments = bounds.enumerated().map { place, bounds in
            PortSegment(ProtocolPorts(.tcp, PortRange(bounds.0, bounds.1)), PortClassID(rawValue: UInt16(place)))
        }
        policy.portSegments.append(PortSegment(ProtocolPorts(.udp, .all), PortClassID(rawValue: 1)))
        let method = RequestCondition(.method, [.text(.exact("GET"))])
        let rule = ProgramRule(
            rule: RuleID(rawValue: 1), tier: .authorization, action: .allow, peers: .any,
            ports: .any, request: readsRequests ? RequestMatch(conditions: [method]) : nil)
        let program = Program(
            key: StableKey(high: 0, low: 1), direction: .ingress, rules: [rule], rows: [0, 1], columns: [0, 1, 2, 3],
            columnCount: 4, cells: cells.map { Cell($0, by: RuleID(rawValue: 1)) })
        policy.programs[ProgramID(rawValue: 1)] = program
        policy.endpoints[EndpointID(rawValue: 1)] = CompiledEndpoint(
            key: StableKey(high: 0, low: 2), name: EndpointName(namespace: "shop", name: "web"),
            addresses: [server, server6], ingress: ProgramID(rawValue: 1), egress: .none)
        return policy
    }

    @Test(
        arguments: [
            ([.allow, .allow, .allow, .deny, .deny, .deny, .deny, .deny], []),
            ([.allow, .handOver, .allow, .deny, .deny, .deny, .deny, .deny], [PortRange(80, 89)]),
            // Of one source only; neighbors are one range.
            ([.allow, .handOver, .allow, .deny, .deny, .deny, .handOver, .deny], [PortRange(80, 90)]),
            ([.handOver, .deny, .handOver, .deny, .deny, .deny, .deny, .deny], [PortRange(0, 79), PortRange(90)]),
        ] as [([CellAction], [PortRange])])
    func ports(cells: [CellAction], expected: [PortRange]) {
        let policy = Self.policy(cells)
        var steered = SteeredPorts()
        steered.reset(policy)
        let wanted = expected.isEmpty ? [:] : [Self.server: expected, Self.server6: expected]
        #expect(steered.ports(of: policy) == wanted)
    }

    @Test func stepsWithoutRequestsChangeNothing() {
        let policy = Self.policy([CellAction](repeating: .allow, count: 8), readsRequests: false)
        var delta = CompiledDelta()
        delta.addedPrograms = [ProgramID(rawValue: 1)]
        var steered = SteeredPorts()
        let changes = steered.take(delta, of: policy)
        #expect(!changes)
        let reading = Self.policy([CellAction](repeating: .handOver, count: 8))
        let reads = steered.take(delta, of: reading)
        #expect(reads)
        #expect(steered.ports(of: reading)[Self.server] == [.all])
        var removal = CompiledDelta()
        removal.removedPrograms = [ProgramID(rawValue: 1)]
        let ends = steered.take(removal, of: reading)
        #expect(ends)
        #expect(steered.ports(of: reading).isEmpty)
    }

    /// The proxy does not decide about itself, and has one address of each family.
    @Test func theProxyItself() {
        let proxy = SteeringProxy(addresses: [Self.server, Self.proxy4], link: 7)
        #expect(proxy.addresses == [Self.server])
        let plan = SteeringPlan(
            settings: Self.settings, ports: [Self.server: [PortRange(80)], Self.proxy4: [PortRange(80)]], proxy: proxy)
        #expect(plan.ports.keys.sorted() == [Self.proxy4])
    }

    /// Without a proxy, the way to nowhere stays; nothing marks.
    @Test func routes() {
        let ports = [Self.server: [PortRange(80)]]
        let away = SteeringRoutes(SteeringPlan(settings: Self.settings, ports: ports, proxy: nil))
        #expect(away.rules.map(\.description) == ["15: from all fwmark 0x10/0x30 lookup 9105"])
        var routed = away
        routed.addWayBack(Self.settings, by: "veth1")
        #expect(
            routed.rules.subtracting(away.rules).map(\.description)
                == ["14: from all fwmark 0x10/0x30 iif veth1 lookup 254"])
        #expect(away.routes.map(\.target) == [.unreachable])
        let proxy = SteeringProxy(addresses: [Self.proxy4], link: 7)
        let there = SteeringRoutes(SteeringPlan(settings: Self.settings, ports: ports, proxy: proxy))
        #expect(there.rules == away.rules)
        #expect(Set(there.routes.map(\.target)) == [.unreachable, .link(7, via: Self.proxy4)])
        #expect(SteeringRoutes(SteeringPlan(settings: Self.settings, ports: [:], proxy: proxy)) == SteeringRoutes())
    }

    /// Marks depend on the input interface and the connection alone. In IPv6, for which the proxy has no address,
    /// nothing is marked.
    @Test func table() throws {
        let proxy = SteeringProxy(addresses: [Self.proxy4], link: 3, port: 7)
        let plan = SteeringPlan(
            settings: Self.settings, ports: [Self.server: [PortRange(80, 89)], Self.server6: [PortRange(80)]],
            proxy: proxy)
        let text = SteeringTable(plan: plan).contents.description
        for line in [
            "10.244.0.10 . 80-89,", "10.244.0.10 . 10.244.0.10,",
            "iif & [255, 255, 255, 255] == [3, 0, 0, 0] meta mark & [48, 0, 0, 0] == [32, 0, 0, 0] goto from-proxy",
            "meta mark set meta mark & 4294967247",
            "ct mark & [48, 0, 0, 0] == [32, 0, 0, 0] ct direction reply meta mark set meta mark & 4294967247 ^ 16 accept",
            "ct mark & [48, 0, 0, 0] == [32, 0, 0, 0] ct direction original counter name \"packets-of-others\" drop",
            "ct mark & [48, 0, 0, 0] == [16, 0, 0, 0] ct direction reply counter name \"packets-of-others\" drop",
            "ip saddr . th sport @steered-ipv4 jump from-server",
            "rt ip nexthop != 10.244.0.11 counter name \"packets-without-proxy\" drop",
        ] {
            #expect(text.contains(line), "\(line) in \(text)")
        }
        #expect(!text.contains("ip6 daddr . th dport @steered-ipv6"))
        #expect(text.contains("ip6 saddr . th sport @steered-ipv6 jump from-server"))
    }

    /// Without a proxy the table marks nothing, and keeps others out of the proxy's connections.
    @Test func tableWithoutProxy() {
        let plan = SteeringPlan(settings: Self.settings, ports: [Self.server: [PortRange(80)]], proxy: nil)
        let text = SteeringTable(plan: plan).contents.description
        #expect(!text.contains("^ 16") && !text.contains("^ 32"), "\(text)")
        for line in [
            "meta mark set meta mark & 4294967247\n",
            "ct mark & [48, 0, 0, 0] == [32, 0, 0, 0] ct direction reply counter name \"packets-of-others\" drop",
            "ip saddr . th sport @steered-ipv4 jump from-server",
        ] {
            #expect(text.contains(line), "\(line) in \(text)")
        }
    }
}
