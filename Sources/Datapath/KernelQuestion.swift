// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// A packet that nothing has sent: the question what the kernel would do with the first packet of a flow.
public struct KernelQuestion: Sendable, Hashable {
    /// Whether the packet is forwarded or one end is the node itself.
    public enum Way: UInt8, Sendable, CaseIterable {
        case forwarded
        /// From an endpoint to its own node.
        case toOwnNode
        /// From the node itself to one of its endpoints.
        case fromOwnNode
    }
    public var flow: Flow
    /// Used for protocols with ports.
    public var sourcePort: UInt16
    public var way: Way
    public init(flow: Flow, sourcePort: UInt16 = 40_000, way: Way = .forwarded) {
        self.flow = flow
        self.sourcePort = sourcePort
        self.way = way
    }

    /// Whether the protocol can be that of a packet. An IPv6 packet's is never one of the extension headers that are
    /// walked (RFC 8200, section 4): a packet that names one as its last is unreadable.
    public var isPossible: Bool {
        flow.source.family == .ipv4 || ![0, 43, 44, 60].contains(flow.ipProtocol.rawValue)
    }
}

/// What the kernel would do with the packet of a ``KernelQuestion``, by what is programmed there now.
public struct KernelAnswer: Sendable, Hashable {
    /// ``Verdict/dependsOnRequest``: the node's proxy decides about each request of the flow.
    public var verdict: Verdict
    /// The rule that the kernel says decided, by direction. A direction is left out if the kernel has no policy for it,
    /// if no rule decided (``RuleID/noPolicy``), or if another direction had already denied the packet. The eBPF
    /// datapath leaves out the directions of ``wouldDeny`` as well: its tables do not say what allows the packet there.
    public var rules: [Direction: RuleID]
    /// Rules in audit that would deny the packet, by direction.
    public var wouldDeny: [Direction: RuleID]
    /// Why the packet is dropped, unless a rule decided. With ``Verdict/dependsOnRequest``,
    /// ``DropEvent/Cause/handOver``: no mark of the proxy is known, so that the packet is dropped until one is.
    public var cause: DropEvent.Cause?
    public init(
        verdict: Verdict, rules: [Direction: RuleID] = [:], wouldDeny: [Direction: RuleID] = [:],
        cause: DropEvent.Cause? = nil
    ) {
        self.verdict = verdict
        self.rules = rules
        self.wouldDeny = wouldDeny
        self.cause = cause
    }
}
