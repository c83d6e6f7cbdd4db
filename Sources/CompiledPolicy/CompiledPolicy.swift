// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// What an address is: its class, and the local endpoint that owns it, if any.
public struct AddressEntry: Sendable, Hashable {
    public var addressClass: AddressClassID
    public var endpoint: EndpointID
    public init(addressClass: AddressClassID, endpoint: EndpointID = .none) {
        self.addressClass = addressClass
        self.endpoint = endpoint
    }
    public static let none = AddressEntry(addressClass: .none)
}

/// What the datapath does with the flows of a cell.
public enum CellAction: Sendable, Hashable, CaseIterable {
    case allow
    case deny
    /// Allow, count and report: the enforced policies allow the flows, the policies in audit deny them.
    case audit
    /// Ask user space for a name of the peer's address first. The compiler never says so yet, and datapaths deny.
    case ask
    /// Let the node's proxy decide for each request: packets pass on their way to and from the proxy, and no others do.
    case handOver

    public var verdict: Verdict {
        switch self {
        case .allow, .audit: .allow
        case .deny, .ask: .deny
        case .handOver: .dependsOnRequest
        }
    }
}

/// One cell of a verdict matrix.
public struct Cell: Sendable, Hashable {
    /// What decided; where ``wouldDeny``, the rule in audit that would.
    public var rule: RuleID
    public var action: CellAction
    /// Whether the NetworkPolicy tier or authorization decided. Both never deny a pod to itself: where one reaches
    /// itself through a Service, their deny is an allow.
    public var neverDeniesItself: Bool
    public init(_ action: CellAction, by rule: RuleID, neverDeniesItself: Bool = false) {
        self.rule = rule
        self.action = action
        self.neverDeniesItself = neverDeniesItself
    }

    public var verdict: Verdict { action.verdict }
    /// Allowed by the enforced policies and denied by those in audit.
    public var wouldDeny: Bool { action == .audit }
}

/// A rule as the tables name it.
public struct CompiledRule: Sendable, Hashable {
    public var key: StableKey
    public var identity: RuleIdentity
    public init(key: StableKey, identity: RuleIdentity) {
        self.key = key
        self.identity = identity
    }
}

/// An address class: which peer sets its members are in (sorted).
public struct AddressClass: Sendable, Hashable {
    public var key: StableKey
    public var peerSets: [PeerSetID]
    public init(key: StableKey, peerSets: [PeerSetID]) {
        self.key = key
        self.peerSets = peerSets
    }
}

/// A rule of a program, kept beside the matrix so that a verdict can name the nearest rule.
public struct ProgramRule: Sendable, Hashable {
    public var rule: RuleID
    public var tier: Tier
    public var action: RuleAction
    public var peers: PeerMatch
    public var ports: PortMatch
    /// What the rule asks of a request: its flows are handed to the proxy. Nil: the rule decides about flows.
    public var request: RequestMatch?
    public init(
        rule: RuleID, tier: Tier, action: RuleAction, peers: PeerMatch, ports: PortMatch, request: RequestMatch? = nil
    ) {
        self.rule = rule
        self.tier = tier
        self.action = action
        self.peers = peers
        self.ports = ports
        self.request = request
    }
}

/// The verdict matrix of one program. Rules never change; rows and columns are added as classes appear.
///
/// Invariant: for a live class, `rows[class]` and the cells of that row stay the same as long as class and program
/// both live; likewise for columns.
public struct Program: Sendable, Hashable {
    public var key: StableKey
    public var direction: Direction
    public var rules: [ProgramRule]
    /// The same with the policies in audit enforced; empty if there are none.
    public var auditRules: [ProgramRule] = []
    /// Whether a policy in force decides, and not only policies in audit: packets without a transport header are then
    /// denied.
    public var isEnforced = true
    /// The rules that deny at the end of a tier: isolation.
    public var tierEnds: [Tier: RuleID] = [:]
    /// The same with the policies in audit enforced; nil if there are none.
    public var auditTierEnds: [Tier: RuleID]?
    /// Row of each address class, by the class's raw value. Free classes have row 0.
    public var rows: [UInt16]
    /// Column of each port class, by the class's raw value. Free classes have column 0.
    public var columns: [UInt16]
    public var columnCount: Int
    /// `row * columnCount + column`.
    public var cells: [Cell]

    public init(
        key: StableKey, direction: Direction, rules: [ProgramRule], rows: [UInt16], columns: [UInt16],
        columnCount: Int, cells: [Cell]
    ) {
        self.key = key
        self.direction = direction
        self.rules = rules
        self.rows = rows
        self.columns = columns
        self.columnCount = columnCount
        self.cells = cells
    }

    /// The cell that decides for a live class of each kind.
    public func cell(_ addressClass: AddressClassID, _ portClass: PortClassID) -> Cell {
        cells[Int(rows[Int(addressClass.rawValue)]) * columnCount + Int(columns[Int(portClass.rawValue)])]
    }
}

/// A local endpoint with its programs. Its addresses are in ``CompiledPolicy/addresses``.
public struct CompiledEndpoint: Sendable, Hashable {
    public var key: StableKey
    public var name: EndpointName
    public var addresses: [IPAddress]
    public var ingress: ProgramID
    public var egress: ProgramID
    public init(
        key: StableKey, name: EndpointName, addresses: [IPAddress], ingress: ProgramID, egress: ProgramID
    ) {
        self.key = key
        self.name = name
        self.addresses = addresses
        self.ingress = ingress
        self.egress = egress
    }
}

/// A run of ports of one protocol that is one port class.
public struct PortSegment: Sendable, Hashable, Comparable {
    public var ports: ProtocolPorts
    public var portClass: PortClassID
    public init(_ ports: ProtocolPorts, _ portClass: PortClassID) {
        self.ports = ports
        self.portClass = portClass
    }
    public static func < (a: Self, b: Self) -> Bool { a.ports < b.ports }
}

/// Policy as tables: classes, programs, matrices. Comparable, printable, and evaluated in Swift by ``evaluate(_:)``;
/// a datapath writes the same tables into the kernel.
public struct CompiledPolicy: Sendable, Equatable {
    /// Always has ``RuleID/noPolicy``.
    public var rules: [RuleID: CompiledRule] = [:]
    /// Live peer sets, for explanations.
    public var peerSets: [PeerSetID: PeerSetDescription] = [:]
    /// Always has ``AddressClassID/none``.
    public var addressClasses: [AddressClassID: AddressClass] = [:]
    /// The longest prefix wins; without one, the entry is ``AddressEntry/none``.
    public var addresses = AddressTable()
    /// For TCP, UDP and SCTP each, in order and without gaps, all 65,536 ports. Other protocols: class 0.
    public var portSegments: [PortSegment] = []
    public var programs: [ProgramID: Program] = [:]
    public var endpoints: [EndpointID: CompiledEndpoint] = [:]
    /// Whether the endpoint's egress program judges packets between endpoints and their own node (netfilter's `input`
    /// and `output`); otherwise all of them pass.
    public var judgesOwnNode = false
    /// The class that judges an own address without an entry as such: loopback's. ``AddressClassID/none`` before the
    /// first step.
    public var ownNodeClass = AddressClassID.none
    /// Programs that did not fit the tables and therefore deny everything; sorted.
    public var programsOverLimit: [ProgramID] = []
    /// Local endpoints beyond the limit of ``EndpointID/limit``, which the tables do not protect; sorted.
    public var endpointsOverLimit: [EndpointName] = []

    public init() {}
}

/// What a step of the compiler changed, in the three phases in which a datapath must carry it out. Contents are read
/// from the ``CompiledPolicy`` after the step.
///
/// 1. additions: nothing in force refers to them yet. New rules, new programs, and for each new class its row
///    (column) in every program that stays.
/// 2. publications: each one is an aligned store; a packet sees the state before or after. In this order:
///    ``portSegments``, ``addresses``, ``changedEndpoints``. Port segments and the first ``invisibleAddressCount``
///    addresses only split or merge classes that no program in force distinguishes; later ones may depend on them. If
///    both are non-empty, a datapath whose packets read a class before they read a program waits for a grace period
///    between the two. A step leaves unused programs and mergeable classes in place: the next step (or an empty one)
///    merges and retires them, and a datapath has waited for a grace period by then.
/// 3. retirements: nothing in force refers to them any more; their numbers and their space are reused only after a
///    grace period.
public struct CompiledDelta: Sendable, Equatable {
    public var addedRules: [RuleID] = []
    public var addedAddressClasses: [AddressClassID] = []
    public var addedPortClasses: [PortClassID] = []
    public var addedPrograms: [ProgramID] = []
    public var addedEndpoints: [EndpointID] = []
    /// Classes whose members all joined or left peer sets that no program in force names: packets see no difference,
    /// but ``AddressClass/key`` and ``AddressClass/peerSets`` are new.
    public var renamedAddressClasses: [AddressClassID] = []

    /// Ports that changed class.
    public var portSegments: [PortSegment] = []
    /// Prefixes with a new or changed entry (the value is the new entry) or without one (nil), in the order of the
    /// stores. A prefix may occur twice; the last entry counts.
    public var addresses: [AddressChange] = []
    /// How many of ``addresses``, from the first, change nothing for the programs in force.
    public var invisibleAddressCount = 0
    /// ``CompiledPolicy/ownNodeClass`` changed; stored right after ``addresses``.
    public var changesOwnNodeClass = false
    /// Endpoints whose programs changed while identity and addresses stay. After ``addresses``.
    public var changedEndpoints: [EndpointID] = []

    public var removedEndpoints: [EndpointID] = []
    public var removedPrograms: [ProgramID] = []
    public var removedPortClasses: [PortClassID] = []
    public var removedAddressClasses: [AddressClassID] = []
    public var removedRules: [RuleID] = []
    /// ``CompiledPolicy/judgesOwnNode`` changed; stored after everything else of phase 2.
    public var changesOwnNode = false

    public init() {}

    public var isEmpty: Bool { self == CompiledDelta() }
}

/// One step of the address tables.
public struct AddressChange: Sendable, Hashable {
    public var prefix: CIDR
    public var entry: AddressEntry?
    public init(_ prefix: CIDR, _ entry: AddressEntry?) {
        self.prefix = prefix
        self.entry = entry
    }
}
