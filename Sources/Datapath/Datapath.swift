// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KernelErrors
import NetworkTypes
import PolicyModel

/// Packets and bytes that one rule decided, over all processors.
public struct RuleCounter: Sendable, Hashable {
    public var packets: UInt64
    public var bytes: UInt64
    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }
}

/// Where a local endpoint's packets enter the node: for the check of source addresses.
public struct EndpointInterface: Sendable, Hashable {
    public var index: UInt32
    public var name: String
    public init(index: UInt32, name: String) {
        self.index = index
        self.name = name
    }
}

/// A bridge port behind which a local endpoint is: a frame that leaves by it reaches the endpoint, whatever its
/// address.
public struct EndpointBridgePort: Sendable, Hashable {
    /// Interface index of the port.
    public var index: UInt32
    /// Interface index of the bridge, which netfilter's IP hooks take to be the device of the bridge's frames.
    public var bridge: UInt32
    /// The endpoint's hardware address: six bytes, the first one uppermost; 0: not known.
    public var hardware: UInt64
    public init(index: UInt32, bridge: UInt32, hardware: UInt64 = 0) {
        self.index = index
        self.bridge = bridge
        self.hardware = hardware
    }
}

/// Where a local endpoint's packets enter and leave the node.
public struct EndpointPlace: Sendable, Hashable {
    /// Routed interfaces that belong to the endpoint alone, sorted by index; more than one for a pod with further
    /// networks.
    public var interfaces: [EndpointInterface]
    /// The bridge port behind which the endpoint is, of one that is not routed.
    public var port: EndpointBridgePort?
    public init(interfaces: [EndpointInterface] = [], port: EndpointBridgePort? = nil) {
        self.interfaces = interfaces
        self.port = port
    }
    public var isEmpty: Bool { interfaces.isEmpty && port == nil }
}

/// Tunnel packets that no endpoint may send to a node: the inner packets could have any source.
public struct TunnelGuard: Sendable, Hashable {
    /// UDP destination ports of the node's tunnel devices (VXLAN, Geneve, WireGuard, FOU).
    public var udpPorts: Set<UInt16>
    /// IP protocols of the node's tunnel devices (IPIP 4, SIT 41, GRE 47).
    public var protocols: Set<UInt8>
    /// Addresses of the cluster's other nodes. The own node is whatever the `input` hook sees.
    public var nodes: Set<IPAddress>
    public init(udpPorts: Set<UInt16> = [], protocols: Set<UInt8> = [], nodes: Set<IPAddress> = []) {
        self.udpPorts = udpPorts
        self.protocols = protocols
        self.nodes = nodes
    }
}

/// Packets that the datapath dropped for a cause other than a rule.
public struct DatapathCounters: Sendable, Hashable {
    /// Source address not the pod's own.
    public var spoofed: UInt64 = 0
    /// Transport header not found and the pod isolated in that direction.
    public var unparsable: UInt64 = 0
    /// Drop events that were not sent: over the rate limit, or a repetition of the same flow.
    public var suppressedEvents: UInt64 = 0
    /// Drop events lost because the ring buffer was full.
    public var lostEvents: UInt64 = 0
    /// Inconsistent tables; the packet was dropped.
    public var inconsistent: UInt64 = 0
    /// Tunnel packets from an endpoint to a node (``TunnelGuard``).
    public var tunnel: UInt64 = 0
    /// Source-routed packets from an endpoint: IPv4 options LSRR and SSRR, IPv6 routing headers.
    public var sourceRouted: UInt64 = 0
    /// ICMP errors from an endpoint about a flow of others, and redirects from an endpoint.
    public var unrelatedErrors: UInt64 = 0
    /// Packets whose IP header cannot be read.
    public var malformed: UInt64 = 0
    /// Packets that only the proxy may decide about, and that were not on their way to or from it.
    public var handOver: UInt64 = 0
    /// Not dropped: packets (nftables: flows) that a rule in audit would deny.
    public var audited: UInt64 = 0
    /// New flows that were allowed and not reported: over the rate limit (``FlowLimit``).
    public var flowsLeftOut: UInt64 = 0
    /// New flows that were allowed and whose report was lost on its way to this process.
    public var flowsLost: UInt64 = 0
    public init() {}
}

/// How full one table of fixed size is.
public struct TableUse: Sendable, Hashable {
    /// Its name in metrics.
    public var table: String
    public var used: Int
    public var limit: Int
    public init(table: String, used: Int, limit: Int) {
        self.table = table
        self.used = used
        self.limit = limit
    }
}

/// What `program` or `resync` wrote, for logs, metrics and tests.
public struct ProgramReport: Sendable, Hashable {
    /// 32-bit words stored.
    public var wordsWritten: Int = 0
    public var gracePeriods: Int = 0
    /// Whether the tables were rebuilt beside the old ones because they had become too small.
    public var rebuilt: Bool = false
    /// Things that differed from what this process had programmed, and were repaired: changes by others.
    public var repaired: Int = 0
    /// The same in words; some of them if there are many.
    public var repairs: [String] = []
    public init() {}
}

/// What ``Datapath/repair()`` found changed by others.
public struct RepairReport: Sendable, Hashable {
    /// What was repaired, in words.
    public var repaired: [String] = []
    /// What could not be repaired; the first of several.
    public var failure: DatapathError?
    public init(repaired: [String] = [], failure: DatapathError? = nil) {
        self.repaired = repaired
        self.failure = failure
    }

    /// Runs one part of a repair, which returns what it has repaired. A failure does not stop the next part.
    public mutating func attempt(_ part: () throws(DatapathError) -> [String]) {
        do {
            repaired += try part()
        } catch {
            failure = failure ?? error
        }
    }
}

/// A dropped packet, one that a rule in audit would drop, or the first of an allowed flow, as the kernel reported it.
public struct DropEvent: Sendable, Hashable {
    public enum Cause: UInt8, Sendable {
        case rule = 1
        case spoofed = 2
        case unparsable = 3
        case inconsistent = 4
        /// Not dropped: a rule in audit (``rule``) would deny it. nftables reports it once per flow.
        case audit = 5
        /// A tunnel packet from an endpoint to a node: the inner packet could have any source.
        case tunnel = 6
        /// A packet from an endpoint that names its own route.
        case sourceRouted = 7
        /// An ICMP error from an endpoint about a flow of others, or a redirect from one.
        case unrelatedError = 8
        /// The IP header cannot be read, so the flow is unknown.
        case malformed = 9
        /// The rule (``rule``) leaves the flow to the node's proxy, and the packet is not on its way to or from it.
        case handOver = 10
        /// Not dropped: the first packet of a flow, allowed in both directions. ``rule`` says nothing.
        case new = 11

        /// Whether policy decided about the flow, so that the same may be asked of kernel and policy.
        public var isOfPolicy: Bool {
            switch self {
            case .rule, .audit, .handOver, .new: true
            case .spoofed, .unparsable, .inconsistent, .tunnel, .sourceRouted, .unrelatedError, .malformed: false
            }
        }
    }
    public var cause: Cause
    public var direction: Direction
    public var flow: Flow
    public var sourcePort: UInt16
    public var endpoint: EndpointID
    public var rule: RuleID
    public var interfaceIndex: UInt32
    /// Nanoseconds of CLOCK_MONOTONIC; for a new flow exact to a tick of the kernel (1 to 10 ms).
    public var monotonicNanoseconds: UInt64
    /// What an ICMP message says; nil for other protocols, and where it is not known.
    public var icmp: ICMPMessage?
    public init(
        cause: Cause, direction: Direction, flow: Flow, sourcePort: UInt16, endpoint: EndpointID, rule: RuleID,
        interfaceIndex: UInt32, monotonicNanoseconds: UInt64, icmp: ICMPMessage? = nil
    ) {
        self.cause = cause
        self.direction = direction
        self.flow = flow
        self.sourcePort = sourcePort
        self.endpoint = endpoint
        self.rule = rule
        self.interfaceIndex = interfaceIndex
        self.monotonicNanoseconds = monotonicNanoseconds
        self.icmp = icmp
    }
}

/// Type and code of an ICMP or ICMPv6 message.
public struct ICMPMessage: Sendable, Hashable {
    public var type: UInt8
    public var code: UInt8
    public init(type: UInt8, code: UInt8) {
        self.type = type
        self.code = code
    }
}

/// Why a datapath could not do what it was asked to. What was programmed before stays.
public typealias DatapathError = KernelError

/// The part that enforces in the kernel: it knows tables, not policy. Calls block; the owner keeps it on one dedicated
/// thread.
public protocol Datapath: ~Copyable {
    /// Opens what a previous run left pinned, or creates it empty, and attaches. Adopted tables continue to enforce.
    ///
    /// - Returns: the numbers that the tables in the kernel use, for the compiler.
    mutating func open() throws(DatapathError) -> Numbering

    /// What the last ``open()`` found.
    var takeover: Takeover { get }

    /// Compares everything that is programmed with `policy` and writes the difference. The first call after ``open()``.
    mutating func resync(_ policy: borrowing CompiledPolicy) throws(DatapathError) -> ProgramReport

    /// Programs one step of the compiler. `policy` is the state after it.
    mutating func program(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) throws(DatapathError)
        -> ProgramReport

    /// Sets where an endpoint's packets enter and leave the node; nil forgets it.
    mutating func setPlace(_ place: EndpointPlace?, of endpoint: EndpointID) throws(DatapathError)

    /// Sets which tunnel packets are dropped when an endpoint sends them to a node.
    mutating func setTunnels(_ tunnels: TunnelGuard) throws(DatapathError)

    /// Sets by which marks packets on their way to and from the node's proxy are known. Before the first call, and with
    /// marks of 0, there are none: flows that the proxy must decide about are denied. Call this before the first
    /// ``resync(_:)``, and again if the marks change.
    mutating func setSteeringMarks(_ marks: SteeringMarks) throws(DatapathError)

    /// Waits for a grace period and frees what was retired. Call this when idle.
    mutating func reclaim() throws(DatapathError)

    func ruleCounters() throws(DatapathError) -> [RuleID: RuleCounter]

    /// Sets the counters of rules that are programmed to zero. What they count meanwhile may be lost.
    mutating func restartCounters(of rules: [RuleID]) throws(DatapathError)

    func counters() throws(DatapathError) -> DatapathCounters

    /// Checks whether everything that enforces is in place in the kernel: hooks, tables. Cheap; does not check the
    /// content of the tables.
    ///
    /// - Throws: a ``DatapathError`` that says what is missing.
    func checkPlace() throws(DatapathError)

    /// Tables that only this datapath has and that can be full.
    func tableUse() -> [TableUse]

    /// Whether a client wants drop events. At first there is none: then no event is kept, and none counts as not sent.
    mutating func setListening(_ isOn: Bool) throws(DatapathError)

    /// Sets whether the first packet of each allowed flow is reported (``DropEvent/Cause/new``), and how many of them at
    /// most; nil, as at first: none, at no cost.
    mutating func setFlows(_ limit: FlowLimit?) throws(DatapathError)

    /// Drop events, and new flows, since the last call, at most `limit`; does not wait.
    mutating func pollEvents(limit: Int) -> [DropEvent]

    /// What the kernel would do with packets that nothing sends, by what is programmed there now: the programs in force
    /// over the tables in force, or the rules read back. Neither counters nor events of real traffic change.
    ///
    /// - Returns: one answer for each question, in their order.
    /// - Throws: a ``DatapathError`` if the kernel cannot be asked, or holds something that cannot be read.
    mutating func ask(_ questions: [KernelQuestion]) throws(DatapathError) -> [KernelAnswer]

    /// What must be done before ``ask(_:)``, if it takes so long that it would hold up changes: the caller runs it on
    /// another thread. Nil: nothing, or it is done. If it is not done, ``ask(_:)`` does it; if it has failed, the next
    /// ``ask(_:)`` throws the reason, and it is to be done again.
    mutating func preparationToAsk() -> (@Sendable () -> Void)?

    /// Compares the next part of everything that is programmed with `policy`, the policy in force, and writes nothing.
    /// A step takes a bounded time. Each part is compared with what policy says at that moment, so that changes
    /// between two steps make no difference.
    mutating func compareNext(with policy: borrowing CompiledPolicy) throws(DatapathError) -> ComparedPart

    /// The programmed tables as text, read back from the kernel.
    func dump() throws(DatapathError) -> String

    /// Checks whether others have removed or changed what enforces, and repairs it, as far as that needs no policy.
    /// Also works before the first ``resync(_:)``. Cheap enough to be called every moment.
    mutating func repair() -> RepairReport

    /// Whether other programs can change what is programmed, so that ``isUntouched()`` should be called now and then.
    static var isExposed: Bool { get }

    /// Whether frames that leave through an endpoint's bridge port must be marked for it, if their destination is not
    /// an address of the endpoint.
    static var needsPortMarks: Bool { get }

    /// Whether it is certain that others have changed nothing since the last write. If not, ``resync(_:)`` finds and
    /// repairs the changes. Cheap.
    func isUntouched() throws(DatapathError) -> Bool
}

extension Datapath where Self: ~Copyable {
    public static var isExposed: Bool { false }
    public static var needsPortMarks: Bool { false }
    public func tableUse() -> [TableUse] { [] }
    public func isUntouched() throws(DatapathError) -> Bool { true }
    public mutating func repair() -> RepairReport { RepairReport() }
    public mutating func preparationToAsk() -> (@Sendable () -> Void)? { nil }
    public mutating func compareNext(
        with policy: borrowing CompiledPolicy
    ) throws(DatapathError) -> ComparedPart { .finished(differences: []) }
    public mutating func setTunnels(_ tunnels: TunnelGuard) throws(DatapathError) {}
    public mutating func setListening(_ isOn: Bool) throws(DatapathError) {}
    public mutating func setFlows(_ limit: FlowLimit?) throws(DatapathError) {}
    public mutating func setSteeringMarks(_ marks: SteeringMarks) throws(DatapathError) {}
}
