// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import Requests

/// What the node's request proxy has to know: for each endpoint with flows whose requests decide, its authorization
/// rules, and who the sources are that these rules name. A projection of ``CompiledPolicy``.
public struct RequestPolicy: Sendable, Equatable {
    /// Counts the daemon's states; greater is newer within one run of the daemon.
    public var generation: UInt64 = 0
    /// The peer sets that rules name and a class of sources is in, sorted; never empty. By the class's number.
    public var classes: [UInt32: [PeerSetID]] = [:]
    /// The class of a source by the longest prefix, in ``AddressEntry/addressClass``; 0: in no peer set of any rule.
    public var sources = AddressTable()
    /// By number.
    public var programs: [UInt32: RequestProgram] = [:]
    /// By number. Setting it costs time in proportion to the endpoints.
    public var endpoints: [UInt32: RequestEndpoint] = [:] {
        didSet { index() }
    }
    /// The endpoint of each address.
    private var owners: [IPAddress: UInt32] = [:]

    public init() {}

    private mutating func index() {
        owners = [:]
        for (number, endpoint) in endpoints {
            for address in endpoint.addresses { owners[address] = number }
        }
    }

    /// The endpoint that has an address; nil: no rule reads the requests of its flows.
    public func endpoint(of address: IPAddress) -> RequestEndpoint? { owners[address].flatMap { endpoints[$0] } }

    public static func == (a: Self, b: Self) -> Bool {
        a.generation == b.generation && a.hasSameRules(as: b)
    }

    /// Whether two decide every request in the same way, whatever their generations.
    public func hasSameRules(as other: RequestPolicy) -> Bool {
        classes == other.classes && sources == other.sources && programs == other.programs
            && endpoints == other.endpoints
    }
}

/// A local endpoint some of whose flows are decided request by request.
public struct RequestEndpoint: Sendable, Hashable {
    /// `namespace/name`.
    public var name: String
    public var addresses: [IPAddress]
    /// In ``RequestPolicy/programs``.
    public var program: UInt32
    public init(name: String, addresses: [IPAddress], program: UInt32) {
        self.name = name
        self.addresses = addresses
        self.program = program
    }
}

/// The authorization rules of one or more endpoints, in order of evaluation.
public struct RequestProgram: Sendable, Hashable {
    public var rules: [RequestRule]
    /// The same with the policies in audit enforced; empty if there are none.
    public var auditRules: [RequestRule]
    public init(rules: [RequestRule], auditRules: [RequestRule] = []) {
        self.rules = rules
        self.auditRules = auditRules
    }
}

/// One authorization rule.
public struct RequestRule: Sendable, Hashable {
    /// Always of ingress.
    public var identity: RuleIdentity
    public var action: RuleAction
    public var peers: PeerMatch
    /// TCP ports; nil: all of them.
    public var ports: [PortRange]?
    /// Nil: every request.
    public var request: RequestMatch?

    public init(
        identity: RuleIdentity, action: RuleAction, peers: PeerMatch = .any, ports: [PortRange]? = nil,
        request: RequestMatch? = nil
    ) {
        self.identity = identity
        self.action = action
        self.peers = peers
        self.ports = ports
        self.request = request
    }

    func matches(memberOf sets: [PeerSetID], port: UInt16) -> Bool {
        (ports?.contains { $0.contains(port) } ?? true) && peers.matches(sets)
    }
}
