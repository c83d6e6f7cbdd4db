// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import NetworkTypes
import PolicyModel

extension NodeDecision {
    /// What the tables say.
    init(_ trace: FlowTrace) {
        self.init(
            verdict: trace.decision.verdict.rawValue, egress: trace.egress.map { DecidingRule($0) },
            ingress: trace.ingress.map { DecidingRule($0) })
    }

    /// What the kernel says.
    fileprivate init(_ answer: KernelAnswer, _ identity: (RuleID) -> RuleIdentity?) {
        func rule(_ direction: Direction) -> DecidingRule? {
            let audited = answer.wouldDeny[direction]
            guard let number = answer.rules[direction] ?? audited else { return nil }
            return DecidingRule(
                number: Int(number.rawValue), rule: identity(number).map { RuleAnswer($0) },
                wouldDeny: audited.map { Int($0.rawValue) })
        }
        self.init(
            verdict: answer.verdict.rawValue, egress: rule(.egress), ingress: rule(.ingress),
            cause: answer.cause.map { "\($0)" })
    }
}

extension DecidingRule {
    fileprivate init(_ trace: DirectionTrace) {
        let isAudited = trace.cell?.wouldDeny ?? false
        self.init(
            number: Int(trace.decision.rule.rawValue), rule: RuleAnswer(trace.decision.identity),
            wouldDeny: isAudited ? trace.cell.map { Int($0.rule.rawValue) } : nil)
    }
}

extension ComparedFlow {
    /// Puts the kernel's answer beside the tables'.
    ///
    /// - Parameter identity: returns the rule with a number.
    mutating func take(_ answer: KernelAnswer, to trace: FlowTrace, identity: (RuleID) -> RuleIdentity?) {
        let told = NodeDecision(answer, identity)
        kernel = told
        if let reason = answer.cause?.reasonBeforePolicy {
            notAsked = reason
            return
        }
        var differences: [String] = []
        if told.verdict != model.verdict {
            let cause = told.cause.map { " (\($0))" } ?? ""
            differences.append("the daemon says \(model.verdict), the kernel \(told.verdict)\(cause)")
        } else if let cause = answer.cause, !cause.isOfRule {
            differences.append("the kernel drops it for another cause: \(cause)")
        }
        for side in [trace.egress, trace.ingress].compactMap(\.self) {
            guard let difference = difference(of: answer, on: side, identity) else { continue }
            differences.append(difference)
        }
        agrees = differences.isEmpty
        self.differences = differences.isEmpty ? nil : differences
    }

    /// The kernel names no rule where it has no policy, and none after another direction has denied.
    private func difference(
        of answer: KernelAnswer, on side: DirectionTrace, _ identity: (RuleID) -> RuleIdentity?
    ) -> String? {
        func name(_ rule: RuleID) -> String {
            rule == .noPolicy
                ? "no rule"
                : "rule \(rule.rawValue)" + (identity(rule).map { " (\($0.name))" } ?? ", which is not known")
        }
        let direction = side.direction
        if let cell = side.cell, cell.wouldDeny {
            let told = answer.wouldDeny[direction]
            guard told != cell.rule, told != nil || answer.verdict != .deny else { return nil }
            return "\(direction): in audit, the daemon says \(name(cell.rule)), the kernel \(name(told ?? .noPolicy))"
        }
        if let told = answer.wouldDeny[direction] {
            return "\(direction): the kernel has \(name(told)) in audit, and the daemon none"
        }
        guard let told = answer.rules[direction] else {
            let isExpected = side.decision.rule == .noPolicy || answer.verdict == .deny || way != "forwarded"
            return isExpected ? nil : "\(direction): the daemon says \(name(side.decision.rule)), the kernel no rule"
        }
        guard told != side.decision.rule else { return nil }
        return "\(direction): the daemon says \(name(side.decision.rule)), the kernel \(name(told))"
    }
}

extension DropEvent.Cause {
    /// Whether a rule decided.
    fileprivate var isOfRule: Bool { self == .rule || self == .audit || self == .handOver }

    /// Why a packet that is dropped for this cause says nothing about policy; nil: it does.
    fileprivate var reasonBeforePolicy: String? {
        switch self {
        case .tunnel: "the kernel drops tunnel packets from pods to nodes before policy decides"
        case .spoofed: "the kernel does not know yet which interface leads to the pod, and drops what it sends"
        default: nil
        }
    }
}
