// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

extension RuleTrace {
    /// "port 6379/TCP of shop/allow-api rule 2 matches, the peer does not: label tier=web, not backend".
    ///
    /// - Parameter flow: the flow that the rule was tried for.
    public func text(for flow: Flow) -> String {
        let name = identity.traceName
        let port = flow.destinationPort.map { "port \($0)/\(flow.ipProtocol)" } ?? "protocol \(flow.ipProtocol)"
        switch (meetsPeer, meetsPort) {
        case (true, true): return "\(name) matches\(requestText): \(actionText)"
        case (false, true): return "\(port) of \(name) matches, the peer does not: \(lack)"
        case (true, false): return "the peer of \(name) matches, \(port) does not: \(ports)"
        case (false, false): return "neither the peer nor \(port) of \(name) matches: \(lack); \(ports)"
        }
    }

    private var requestText: String {
        guard let request else { return "" }
        switch meetsRequest {
        case true?: return ", and so does the request (\(request))"
        case false?: return ", the request does not (\(request))"
        case nil: return " if the request does (\(request))"
        }
    }

    private var actionText: String {
        guard meetsRequest ?? true else { return "nothing" }
        if case .report = identity { return "report" }
        return action.rawValue
    }

    /// What the other end lacks, or what the rule asks for where that is not known.
    private var lack: String { misses.isEmpty ? peers : misses.map(\.text).joined(separator: "; or ") }
}

extension PeerMiss {
    /// "label tier=web, not backend, and namespace shop, not other".
    public var text: String { unmet.map(\.text).joined(separator: ", and ") }
}

extension UnmetCondition {
    /// "label tier=web, not backend", "no label tier, which must be backend".
    public var text: String {
        switch need {
        case .pod: "\(got ?? "the address") is not the address of a pod with a network of its own"
        case .absent: "\(found), which must be missing"
        case .present: "no \(name)"
        case .noneOf: "\(found), which is excluded"
        case .anyOf(let values):
            got == nil ? "no \(name), which must be \(Self.some(values))" : "\(found), not \(Self.some(values))"
        }
    }

    private var name: String {
        switch subject {
        case .label(let key): "label \(key)"
        case .namespaceLabel(let key): "namespace label \(key)"
        case .namespace: "namespace"
        case .serviceAccount: "service account"
        case .address: "address"
        }
    }

    private var found: String {
        switch subject {
        case .label, .namespaceLabel: "\(name)=\(got ?? "")"
        case .namespace, .serviceAccount, .address: "\(name) \(got ?? "")"
        }
    }

    private static func some(_ values: [String]) -> String {
        values.count > 3
            ? values.prefix(3).joined(separator: ", ") + " or \(values.count - 3) more"
            : values.joined(separator: " or ")
    }
}

extension TierTrace {
    /// What ended the tier, as a sentence without its subject: "shop/redis rule 1 allows".
    public var text: String {
        switch outcome {
        case .allow(let identity): "\(identity.traceName) allows"
        case .deny(let identity): "\(identity.traceName) denies"
        case .pass(let identity): "\(identity.traceName) passes the flow to the next tier"
        case .isolate(let identity): "no rule allows, so it is denied by default (\(identity.traceName))"
        case .handOver(let identity): "\(identity.traceName) reads the request: the node's proxy decides"
        case .noMatch: "no rule matches: \(tier == .authorization ? "nothing is denied" : "the next tier decides")"
        case .notReached: "not reached: an earlier tier has decided"
        }
    }

    /// How many rules are not listed, and why; nil: none.
    public var restText: String? {
        var parts: [String] = []
        if leftOut > 0 { parts.append("\(leftOut) more \(leftOut == 1 ? "rule does" : "rules do") not match") }
        if notTried > 0 { parts.append("\(notTried) \(notTried == 1 ? "rule was" : "rules were") not tried") }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}

extension RuleIdentity {
    fileprivate var traceName: String {
        switch self {
        case .failsafe(let what): "\(what) (always allowed)"
        case .ownNode: "the rule for the own node"
        case .overLimit: "the policy is over the limits of the tables"
        case .rule, .report, .isolation, .noPolicy: name
        }
    }
}
