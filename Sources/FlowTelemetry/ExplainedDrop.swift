// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Explanations
import NetworkTypes
import PolicyModel

/// A drop event, or a new flow, with names and a reason, by the policy in force at this moment.
public struct ExplainedDrop: Sendable, Hashable {
    public var event: DropEvent
    /// The pod whose policy decided; nil if it is already gone.
    public var endpoint: EndpointName?
    /// What decided, for a cause that names a rule; nil if that rule is already gone.
    public var identity: RuleIdentity?
    /// One sentence for a person.
    public var reason: String
    public var sourcePod: EndpointName?
    public var destinationPod: EndpointName?
    /// What allowed a new flow on each side; nil for a side that this node does not judge.
    public var egress: RuleIdentity?
    public var ingress: RuleIdentity?

    /// - Parameters:
    ///   - pod: returns the pod with an address, if it is known.
    ///   - principal: returns the identity of that pod, for authorization.
    public init(
        _ event: DropEvent, policy: borrowing CompiledPolicy, pod: (IPAddress) -> EndpointName?,
        principal: (IPAddress) -> String? = { _ in nil }
    ) {
        self.event = event
        sourcePod = pod(event.flow.source)
        destinationPod = pod(event.flow.destination)
        endpoint = policy.endpoints[event.endpoint]?.name
        identity = [.rule, .audit, .handOver].contains(event.cause) ? policy.rules[event.rule]?.identity : nil
        reason = ""
        if event.cause == .new {
            explainNew(policy)
        } else {
            reason = Self.reason(for: event, identity: identity, policy: policy, principal)
        }
    }

    /// The event of a new flow names no rule: the policy in force has it.
    private mutating func explainNew(_ policy: borrowing CompiledPolicy) {
        let destination = policy.addresses.entry(of: event.flow.destination)
        let isOwnNode = (1..<AddressClassID.ownNodeLimit).contains(destination.addressClass.rawValue)
        let decision = policy.evaluate(event.flow, throughService: true)
        let sides =
            isOwnNode
            ? [policy.evaluate(event.flow, toOwnNodeFrom: event.endpoint)] : [decision.egress, decision.ingress]
        let known = sides.compactMap(\.self)
        guard !known.contains(where: { $0.verdict == .deny }) else {
            reason = "allowed by a policy that has changed since"
            return
        }
        egress = sides.first??.identity
        ingress = sides.count > 1 ? sides[1]?.identity : nil
        var names: [String] = []
        for side in known where side.why != .notSelected {
            let name = side.identity.nameWithDirection
            if !names.contains(name) { names.append(name) }
        }
        reason = names.isEmpty ? "allowed: no policy applies" : "allowed by \(names.joined(separator: " and "))"
    }

    private static func reason(
        for event: DropEvent, identity: RuleIdentity?, policy: borrowing CompiledPolicy,
        _ principal: (IPAddress) -> String?
    ) -> String {
        switch event.cause {
        case .spoofed: return "source address \(event.flow.source) does not belong to the pod behind this interface"
        case .unparsable: return "transport header not found in a packet of an isolated pod"
        case .inconsistent: return "inconsistent tables (a bug: please report it)"
        case .tunnel: return "tunnel packet from a pod to a node: what is in it would be judged as another's"
        case .sourceRouted: return "source-routed packet from a pod (IPv4 option LSRR or SSRR, or IPv6 routing header)"
        case .unrelatedError: return "ICMP redirect, or ICMP error about a flow of others, from a pod"
        case .malformed: return "the IP header cannot be read"
        case .audit:
            let rule = identity.map { "\($0.name), in audit," } ?? "a rule in audit, gone now,"
            return "not stopped: \(rule) would deny it"
        case .handOver:
            let rule = identity.map { "authorization \($0.name)" } ?? "an authorization rule, gone now,"
            return "denied: \(rule) needs the request proxy"
        case .rule, .new: break
        }
        // A packet to the pod itself was dropped on its way through a Service; a packet to an address without a pod was
        // one to a group or to the own node; a packet from an address without a pod was one from a link-local address.
        let decision = policy.evaluate(event.flow, throughService: true)
        let decisions =
            event.direction == .ingress
            ? [decision.ingress, policy.evaluate(event.flow, deliveredTo: event.endpoint)]
            : [
                decision.egress, policy.evaluate(event.flow, toOwnNodeFrom: event.endpoint),
                policy.evaluate(event.flow, sentBy: event.endpoint),
            ]
        let denied = decisions.compactMap(\.self).first { $0.verdict == .deny && $0.identity == identity }
        guard let denied else {
            // The policy changed after the packet: the packet met the rule that it names.
            return identity.map { "denied by \($0.name), which has changed since" }
                ?? "denied by a rule that is gone"
        }
        return denied.reason(principal: principal)
    }
}

extension RuleIdentity {
    /// "shop/redis ingress rule 1": rules are numbered by direction, and a flow has met those of both.
    fileprivate var nameWithDirection: String {
        switch self {
        case .rule(let policy, let direction, _, _), .report(let policy, let direction, _):
            "\(policy) \(direction.rawValue)\(name.dropFirst(policy.description.count))"
        case .isolation, .ownNode, .noPolicy, .failsafe, .overLimit: name
        }
    }
}
