// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Explanations
import NetworkTypes
import PolicyModel
import Testing

/// Verdicts with their reasons, over tables made by hand.
///
/// The pod shop/web, 10.0.0.1, has one ingress program: an Admin rule denies set 1 (10.1.0.0/16) everything, a
/// NetworkPolicy allows set 2 (10.2.0.0/16) TCP port 80 and denies the rest. shop/free, 10.0.0.2, has none.
@Suite struct EvaluateTests {
    private static let web = EndpointName(namespace: "shop", name: "web")
    private static let guardrail = PolicyReference(kind: "ClusterNetworkPolicy", namespace: "", name: "guard")
    private static let allow = PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "allow")
    private static let deny = PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "deny")
    private static let port80 = ProtocolPorts(.tcp, PortRange(80))

    private static func key(_ number: UInt64) -> StableKey { StableKey(high: 0, low: number) }

    private static func text<Value>(_ value: () throws -> Value) -> Value {
        do { return try value() } catch { preconditionFailure("\(error)") }
    }

    private static var program: Program {
        let peers = (1...2).map { PeerMatch.sets([PeerSetID(rawValue: $0)]) }
        func cells(_ number: UInt32) -> Cell {
            Cell(.deny, by: RuleID(rawValue: number), neverDeniesItself: number == 3)
        }
        let isolated = cells(3)
        let allowed = Cell(.allow, by: RuleID(rawValue: 2), neverDeniesItself: true)
        var program = Program(
            key: key(1), direction: .ingress,
            rules: [
                ProgramRule(rule: RuleID(rawValue: 1), tier: .admin, action: .deny, peers: peers[0], ports: .any),
                ProgramRule(
                    rule: RuleID(rawValue: 2), tier: .networkPolicy, action: .allow, peers: peers[1],
                    ports: .ports([port80])),
            ], rows: [UInt16](repeating: 0, count: 64) + [1, 2], columns: [0, 1], columnCount: 2,
            cells: [isolated, isolated, cells(1), cells(1), isolated, allowed])
        program.tierEnds = [.networkPolicy: RuleID(rawValue: 3)]
        return program
    }

    private static let policy: CompiledPolicy = {
        var policy = CompiledPolicy()
        let identities: [RuleIdentity] = [
            .noPolicy(.ingress), .rule(guardrail, .ingress, index: 0, name: "office"),
            .rule(allow, .ingress, index: 0, name: nil), .isolation(.ingress, by: [allow, deny]),
        ]
        for (number, identity) in identities.enumerated() {
            policy.rules[RuleID(rawValue: UInt32(number))] = CompiledRule(key: key(UInt64(number)), identity: identity)
        }
        policy.addressClasses[.none] = AddressClass(key: key(0), peerSets: [])
        for number in 1...2 as ClosedRange<UInt32> {
            let (set, addressClass) = (PeerSetID(rawValue: number), AddressClassID(rawValue: 63 + number))
            policy.peerSets[set] = PeerSetDescription(description: "10.\(number).0.0/16")
            policy.addressClasses[addressClass] = AddressClass(key: key(UInt64(number)), peerSets: [set])
            let prefix = text { try CIDR("10.\(number).0.0/16") }
            policy.addresses[prefix] = AddressEntry(addressClass: addressClass)
        }
        for (number, name) in [(1, "web"), (2, "free")] as [(UInt16, String)] {
            let own = text { try IPAddress("10.0.0.\(number)") }
            let id = EndpointID(rawValue: number)
            policy.addresses[CIDR(host: own)] = AddressEntry(addressClass: .none, endpoint: id)
            policy.endpoints[id] = CompiledEndpoint(
                key: key(UInt64(number)), name: EndpointName(namespace: "shop", name: name), addresses: [own],
                ingress: number == 1 ? ProgramID(rawValue: 1) : .none, egress: .none)
        }
        policy.portSegments = [(0, 79, 0), (80, 80, 1), (81, 65535, 0)].map { first, last, number in
            PortSegment(ProtocolPorts(.tcp, PortRange(first, last)), PortClassID(rawValue: number))
        }
        policy.portSegments += [.udp, .sctp].map { PortSegment(ProtocolPorts($0, .all), .none) }
        policy.programs[ProgramID(rawValue: 1)] = program
        return policy
    }()

    private static func flow(_ from: String, _ to: String, _ port: UInt16?, _ ipProtocol: IPProtocol = .tcp) -> Flow {
        text {
            Flow(
                source: try IPAddress(from), destination: try IPAddress(to), ipProtocol: ipProtocol,
                destinationPort: port)
        }
    }

    private static let isolation =
        "denied by default: shop/allow and shop/deny isolate this pod for ingress and no rule allows it; nearest rule: "

    static let rows: [(flow: Flow, verdict: Verdict, reason: String?)] = [
        (flow("10.1.0.1", "10.0.0.1", 80), .deny, "denied by guard rule 1 (office)"),
        (flow("10.2.0.1", "10.0.0.1", 80), .allow, "allowed by shop/allow rule 1"),
        (
            flow("10.2.0.1", "10.0.0.1", 81), .deny,
            isolation + "port 81/TCP not in shop/allow rule 1 (80/TCP)"
        ),
        (
            flow("10.2.0.1", "10.0.0.1", nil, .icmp), .deny,
            isolation + "protocol ICMP not in shop/allow rule 1 (80/TCP)"
        ),
        (
            flow("8.8.8.8", "10.0.0.1", 80), .deny,
            isolation + "peer 8.8.8.8 not in shop/allow rule 1 (10.2.0.0/16)"
        ),
        (
            flow("8.8.8.8", "10.0.0.1", 81), .deny, String(isolation.dropLast("; nearest rule: ".count))
        ),
        (flow("10.1.0.1", "10.0.0.2", 80), .allow, "allowed: no policy selects shop/free for ingress"),
        (flow("10.0.0.1", "8.8.8.8", 80), .allow, nil),
    ]

    @Test(arguments: rows) func eachVerdictHasItsReason(_ flow: Flow, _ verdict: Verdict, _ reason: String?) {
        let decision = Self.policy.evaluate(flow)
        #expect(decision.verdict == verdict)
        #expect(decision.ingress?.reason == reason)
        #expect(Self.policy.allows(flow) == (verdict == .allow))
    }

    @Test func aPodReachesItself() {
        let flow = Self.flow("10.0.0.1", "10.0.0.1", 80)
        let direct = Self.policy.evaluate(flow)
        #expect(direct.isSelf && direct.verdict == .allow)
        #expect(direct.egress?.reason.hasPrefix("shop/web to its own address is always allowed") == true)
        let throughService = Self.policy.evaluate(flow, throughService: true)
        #expect(throughService.verdict == .allow, "NetworkPolicy keeps no pod from itself")
        #expect(throughService.ingress?.identity == .noPolicy(.ingress))
    }

    @Test func aPacketForAnEndpointWhateverItsDestination() {
        let flow = Self.flow("10.1.0.1", "224.0.0.1", 80)
        #expect(Self.policy.evaluate(flow, deliveredTo: EndpointID(rawValue: 1))?.verdict == .deny)
        #expect(Self.policy.evaluate(flow, deliveredTo: EndpointID(rawValue: 2))?.verdict == .allow)
        #expect(Self.policy.evaluate(flow, deliveredTo: EndpointID(rawValue: 3)) == nil)
    }

    /// A group is the node as well, where the node takes it in: rules about the node decide, and those of the tiers about
    /// the group, but not NetworkPolicy about the group.
    @Test func aGroupAtTheOwnNode() throws {
        var policy = Self.policy
        policy.ownNodeClass = AddressClassID(rawValue: 1)
        // Denied by the Admin tier, and by NetworkPolicy's isolation.
        policy.addresses[try CIDR("224.0.0.0/8")] = AddressEntry(addressClass: AddressClassID(rawValue: 64))
        policy.addresses[try CIDR("255.255.255.255/32")] = AddressEntry(addressClass: AddressClassID(rawValue: 65))
        func judgedAs(_ destination: String) -> UInt32 {
            policy.classAtOwnNode(of: Self.flow("10.0.0.1", destination, 81), ProgramID(rawValue: 1)).rawValue
        }
        #expect(judgedAs("224.0.0.1") == 64)
        #expect(judgedAs("255.255.255.255") == 1 && judgedAs("239.0.0.1") == 1)
        #expect(judgedAs("10.1.0.1") == 1, "not a group: another address of the node")
    }
}
