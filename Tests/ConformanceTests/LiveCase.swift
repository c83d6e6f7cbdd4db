// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes

/// Who sends, or who is reached.
enum LivePlace: Hashable, CustomStringConvertible {
    case pod(String)
    case node
    case node2
    case outside
    case metadata
    /// The gateway address that the node has on each pod's interface.
    case gateway
    /// A Service's ClusterIP.
    case service(Int)

    func address(_ family: AddressFamily, in world: NetWorld) -> IPAddress {
        let isV4 = family == .ipv4
        return switch self {
        case .pod(let name): world.pod(name).address(family)
        case .node: isV4 ? NetAddressing.nodes[0] : NetAddressing.nodes6[0]
        case .node2: isV4 ? NetAddressing.nodes[1] : NetAddressing.nodes6[1]
        case .outside: isV4 ? NetAddressing.outside : NetAddressing.outside6
        case .metadata: NetAddressing.metadata
        case .gateway: isV4 ? NetAddressing.gateways[0] : NetAddressing.gateways6[0]
        case .service(let number): isV4 ? NetAddressing.service(number) : NetAddressing.service6(number)
        }
    }

    func namespace(in world: NetWorld) -> NetNamespace {
        switch self {
        case .pod(let name): world.pod(name).namespace
        case .node, .gateway, .service: world.node
        case .node2: world.nodes[1]
        case .outside, .metadata: world.outside
        }
    }

    var description: String {
        switch self {
        case .pod(let name): name
        case .node: "its node"
        case .node2: "the other node"
        case .outside: "outside"
        case .metadata: "metadata"
        case .gateway: "gateway"
        case .service(let number): "service \(number)"
        }
    }
}

/// One row: a packet, and what becomes of it.
struct LiveCase: CustomStringConvertible {
    let source: LivePlace
    let destination: LivePlace
    let ipProtocol: IPProtocol
    let port: UInt16
    /// What the sender sees where the flow is allowed; nil: it is denied.
    let allowed: NetOutcome?
    /// The pod and port that a Service's destination stands for.
    let backend: (pod: String, port: UInt16)?
    /// Whom another node's masquerading makes of the sender; nil: the packet comes as it was sent.
    let masqueradedAs: LivePlace?
    let payloadBytes: Int
    let families: [AddressFamily]

    private init(
        _ source: LivePlace, _ destination: LivePlace, _ ipProtocol: IPProtocol, _ port: UInt16, _ allowed: NetOutcome?,
        through backend: (pod: String, port: UInt16)?, as masqueradedAs: LivePlace?, bytes: Int,
        _ families: [AddressFamily]
    ) {
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.port = port
        self.allowed = allowed
        self.backend = backend
        self.masqueradedAs = masqueradedAs
        payloadBytes = bytes
        self.families = families
    }

    static func allow(
        _ source: LivePlace, _ destination: LivePlace, _ ipProtocol: IPProtocol, _ port: UInt16 = 0,
        _ outcome: NetOutcome = .answered, through backend: (pod: String, port: UInt16)? = nil,
        as masqueradedAs: LivePlace? = nil, bytes: Int = 32, only families: [AddressFamily] = AddressFamily.allCases
    ) -> LiveCase {
        LiveCase(
            source, destination, ipProtocol, port, outcome, through: backend, as: masqueradedAs, bytes: bytes, families)
    }

    static func deny(
        _ source: LivePlace, _ destination: LivePlace, _ ipProtocol: IPProtocol, _ port: UInt16 = 0,
        through backend: (pod: String, port: UInt16)? = nil, as masqueradedAs: LivePlace? = nil, bytes: Int = 32,
        only families: [AddressFamily] = AddressFamily.allCases
    ) -> LiveCase {
        LiveCase(
            source, destination, ipProtocol, port, nil, through: backend, as: masqueradedAs, bytes: bytes, families)
    }

    /// ICMP is a protocol of its own in each family.
    private func number(_ family: AddressFamily) -> IPProtocol {
        ipProtocol == .icmp && family == .ipv6 ? .icmpv6 : ipProtocol
    }

    func probe(_ family: AddressFamily, in world: NetWorld) -> NetProbe {
        // The outside and the metadata server are two addresses of one namespace.
        let from = source == .outside ? source.address(family, in: world) : nil
        return NetProbe(
            number(family), to: destination.address(family, in: world), port: port, from: from,
            payloadBytes: payloadBytes, milliseconds: 400)
    }

    /// The question that this row is for the policy: after DNAT, before SNAT.
    func flow(_ family: AddressFamily, in world: NetWorld) -> Flow {
        let target = backend.map { LivePlace.pod($0.pod) } ?? destination
        return Flow(
            source: (masqueradedAs ?? source).address(family, in: world),
            destination: target.address(family, in: world),
            ipProtocol: number(family), destinationPort: backend?.port ?? port)
    }

    var description: String { "\(source) to \(destination), \(ipProtocol) \(port), \(payloadBytes) bytes" }
}

extension LiveCase {
    private static let web = LivePlace.pod("web")
    private static let api = LivePlace.pod("api")
    private static let db = LivePlace.pod("db")
    private static let idle = LivePlace.pod("idle")
    private static let locked = LivePlace.pod("locked")
    private static let far = LivePlace.pod("far")

    /// Judged by ``LiveCluster/policies``.
    static let table: [LiveCase] = [
        // A pod selector with ports, protocol by protocol; there is no listener on 7001.
        .allow(api, db, .tcp, 6379), .deny(idle, db, .tcp, 6379), .deny(web, db, .tcp, 6379),
        .allow(api, db, .tcp, 7005), .allow(api, db, .tcp, 7001, .refused), .deny(api, db, .tcp, 7011),
        .allow(api, db, .udp, 5353), .deny(idle, db, .udp, 5353), .deny(api, db, .udp, 6379),
        .allow(api, db, .sctp, 9999), .deny(idle, db, .sctp, 9999), .deny(api, db, .sctp, 9998),
        // A rule with ports matches no ICMP, one without does.
        .allow(web, api, .icmp), .deny(api, db, .icmp), .deny(idle, api, .icmp),
        .allow(web, api, .tcp, 8080), .allow(web, api, .tcp, 22, .refused), .allow(web, api, .sctp, 22, .refused),
        // The error that comes back to an allowed client is related to its flow.
        .allow(web, api, .udp, 9, .refused),
        // An ipBlock from outside, its port and no other.
        .allow(.outside, api, .tcp, 8080), .deny(.outside, api, .tcp, 22), .deny(.outside, db, .tcp, 6379),
        .deny(.outside, api, .udp, 5353), .allow(.outside, idle, .udp, 5353),
        // Egress: excepted prefixes, and what other peers allow in spite of them.
        .allow(web, .outside, .tcp, 80), .deny(web, idle, .tcp, 8080), .deny(web, .metadata, .tcp, 80, only: [.ipv4]),
        .allow(idle, .metadata, .tcp, 80, only: [.ipv4]), .deny(db, api, .tcp, 8080), .deny(db, .outside, .tcp, 80),
        // A pod of another node is judged by its labels; its own node judges its egress.
        .allow(far, api, .tcp, 8080), .deny(far, db, .tcp, 6379), .allow(api, far, .udp, 5353),
        .deny(web, far, .tcp, 8080), .allow(idle, far, .sctp, 9999),
        // Isolated in both directions.
        .deny(locked, api, .tcp, 8080), .deny(api, locked, .tcp, 8080), .deny(locked, .outside, .udp, 5353),
        .deny(.node2, locked, .tcp, 8080), .deny(.node2, locked, .icmp), .deny(locked, far, .sctp, 9999),
        .deny(locked, .metadata, .tcp, 80, only: [.ipv4]),
        // Between a pod and its own node: probes come in, the node's services are reached.
        .allow(.node, locked, .tcp, 8080), .allow(.node, db, .icmp), .allow(.node, locked, .udp, 5353),
        .allow(.node, locked, .sctp, 9999), .allow(locked, .node, .tcp, 10250), .allow(locked, .gateway, .tcp, 10250),
        .allow(locked, .node, .icmp), .allow(db, .node, .udp, 9, .refused),
        // Through a ClusterIP the real backend is judged, and a pod reaches itself.
        .allow(api, .service(0), .tcp, 80, through: ("db", 6379)),
        .deny(idle, .service(0), .tcp, 80, through: ("db", 6379)),
        .allow(api, .service(1), .udp, 53, through: ("db", 5353)),
        .deny(web, .service(1), .udp, 53, through: ("db", 5353)),
        .allow(api, .service(2), .sctp, 99, through: ("db", 9999)),
        .deny(idle, .service(2), .sctp, 99, through: ("db", 9999)),
        .deny(web, .service(3), .tcp, 80, through: ("locked", 8080)),
        .allow(db, .service(0), .tcp, 80, through: ("db", 6379)),
        .allow(locked, .service(3), .tcp, 80, through: ("locked", 8080)),
        .allow(locked, locked, .tcp, 8080), .allow(db, db, .udp, 5353),
        // Through this node's NodePort the real client is judged: masquerading comes after.
        .allow(.outside, .node, .tcp, 30004, through: ("api", 8080)),
        .deny(.outside, .node, .tcp, 30003, through: ("locked", 8080)),
        .allow(.outside, .node, .udp, 30005, through: ("idle", 5353)),
        // Through another node's NodePort the client comes as that node, which no rule names.
        .deny(.outside, .node2, .tcp, 30004, through: ("api", 8080), as: .node2),
        .deny(.outside, .node2, .tcp, 30003, through: ("locked", 8080), as: .node2),
        .allow(.outside, .node2, .udp, 30005, through: ("idle", 5353), as: .node2),
        // A pod that takes the NodePort of its own node is judged in both directions.
        .allow(web, .node, .tcp, 30004, through: ("api", 8080)),
        .deny(idle, .node, .tcp, 30004, through: ("api", 8080)),
        .deny(web, .node, .udp, 30005, through: ("idle", 5353)),
        .allow(locked, .node, .tcp, 30003, through: ("locked", 8080)),
        // More than the MTU: fragments are judged whole.
        .allow(api, db, .udp, 5353, bytes: 5000), .deny(idle, db, .udp, 5353, bytes: 5000),
        .allow(web, api, .icmp, bytes: 4000), .deny(idle, api, .icmp, bytes: 4000),
        .allow(api, .service(1), .udp, 53, through: ("db", 5353), bytes: 3000),
    ]
}
