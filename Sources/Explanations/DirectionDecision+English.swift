// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

extension DirectionDecision {
    /// One sentence for a person: "allowed by shop/allow-api rule 1", or "denied by default: shop/default-deny isolates
    /// this pod for ingress and no rule allows it; nearest rule: port 6379/TCP not in shop/allow-api rule 1 (80/TCP)".
    public var reason: String { reason { _ in nil } }

    /// The same, with the identities of peers where authorization keeps them out.
    ///
    /// - Parameter principal: returns the principal of the pod that has an address; nil without such a pod.
    public func reason(principal: (IPAddress) -> String?) -> String {
        sentence(principal) + (wouldDeny.map { "; in audit: \($0.auditText)" } ?? "")
    }

    private func sentence(_ principal: (IPAddress) -> String?) -> String {
        switch why {
        case .rule: verdict == .allow ? "allowed by \(identity.nameWithLayer)" : identity.denial
        case .requestRule(let match):
            "\(verdict == .allow ? "allowed" : "denied") by \(identity.nameWithLayer) (\(match))"
        case .dependsOnRequest(let rules): "depends on the request: \(Self.some(rules)) \(Self.verb(rules)) it"
        case .requestNotAllowed(let nearest):
            identity.isolation + (nearest.map { "; nearest rule: \($0.text)" } ?? "")
        case .refusedRequest(let problem): "denied: \(problem), and \(identity.nameWithLayer) reads the path"
        case .isolation(let nearest):
            identity.isolation + (nearest.map { "; nearest rule: \($0.mismatchText(principal))" } ?? "")
        case .ownNode: "allowed: own node"
        case .failsafe: "allowed whatever the policies: \(identity.failsafe)"
        case .noMatch:
            "allowed: no rule for \(identity.directionText) of \(endpoint) matches, and no policy isolates it"
        case .notSelected: "allowed: no policy selects \(endpoint) for \(identity.directionText)"
        case .overLimit: "denied: the \(identity.directionText) policy of \(endpoint) is over the limits of the tables"
        case .neverDeniedToItself: "allowed: NetworkPolicy keeps no pod from itself"
        case .itself(let throughService):
            "\(Self.alwaysToItself(endpoint)) (through a Service: \(throughService.reason(principal: principal)))"
        }
    }

    /// Why a pod may reach its own address, whatever the policies.
    public static func alwaysToItself(_ pod: EndpointName) -> String {
        "\(pod) to its own address is always allowed"
    }
}

extension DirectionDecision {
    /// The first three rules, and how many more there are.
    private static func some(_ rules: [RuleIdentity]) -> String {
        var names: [String] = []
        for rule in rules where !names.contains(rule.name) { names.append(rule.name) }
        let more = names.count > 3 ? " and \(names.count - 3) more" : ""
        return names.isEmpty ? "none" : "authorization \(names.prefix(3).joined(separator: ", "))\(more)"
    }

    private static func verb(_ rules: [RuleIdentity]) -> String { Set(rules.map(\.name)).count == 1 ? "reads" : "read" }
}

extension NearestRule {
    fileprivate func mismatchText(_ principal: (IPAddress) -> String?) -> String {
        switch mismatch {
        case .port(let port, let ipProtocol, let allowed):
            let asked = port.map { "port \($0)/\(ipProtocol)" } ?? "protocol \(ipProtocol)"
            return "\(asked) not in \(rule.name) (\(allowed.text))"
        case .peer(let address, let allowed):
            let identity = rule.isOfAuthorization ? principal(address) : nil
            let peer = identity.map { "principal \($0) (\(address))" } ?? "peer \(address)"
            return "\(peer) not in \(rule.name) (\(Self.some(allowed)))"
        }
    }

    /// The first three peer sets, and how many more there are.
    private static func some(_ peerSets: [String]) -> String {
        let more = peerSets.count > 3 ? "; and \(peerSets.count - 3) more" : ""
        return peerSets.isEmpty ? "nobody" : peerSets.prefix(3).joined(separator: "; ") + more
    }
}

extension NearestRequest {
    /// "method GET not in shop/writer rule 1 (POST)".
    fileprivate var text: String {
        let found = value.map { " \($0)" } ?? ""
        return "\(unmet.field)\(found) not in \(rule.name) (\(unmet.valueText))"
    }
}

extension RuleIdentity {
    fileprivate var denial: String {
        if case .isolation = self { "isolated by \(nameWithLayer)" } else { "denied by \(nameWithLayer)" }
    }

    /// What a rule in audit would do, or does.
    fileprivate var auditText: String {
        if case .report = self { "reported by \(nameWithLayer)" } else { "would be \(denial)" }
    }

    /// The name, and what kind of policy it is if that is not one of the tiers.
    fileprivate var nameWithLayer: String { isOfAuthorization ? "authorization \(name)" : name }

    fileprivate var isOfAuthorization: Bool { policies.first?.isOfAuthorization ?? false }

    fileprivate var isolation: String {
        guard case .isolation(let direction, let policies) = self else { return denial }
        guard policies != [.unknownPod] else {
            return "denied: the Pod object is not known yet, and nothing is allowed until then"
        }
        guard !isOfAuthorization else {
            let verb = policies.count == 1 ? "allows" : "allow"
            return "denied by default: authorization \(Self.some(policies)) \(verb) only what a rule matches"
        }
        let verb = policies.count == 1 ? "isolates" : "isolate"
        return "denied by default: \(Self.some(policies)) \(verb) this pod for \(direction.rawValue) and no rule "
            + "allows it"
    }

    fileprivate var failsafe: String {
        if case .failsafe(let what) = self { what } else { name }
    }

    /// Empty for a text about both directions.
    fileprivate var directionText: String {
        switch self {
        case .rule(_, let direction, _, _), .report(_, let direction, _), .isolation(let direction, _),
            .ownNode(let direction),
            .noPolicy(let direction), .overLimit(let direction):
            direction.rawValue
        case .failsafe: ""
        }
    }

    /// `a and b`, `a, b and c`, `a, b and 18 more`.
    private static func some(_ policies: [PolicyReference]) -> String {
        let names = policies.map(\.description)
        guard names.count > 3 else {
            return names.count < 2
                ? names.joined() : names.dropLast().joined(separator: ", ") + " and \(names[names.count - 1])"
        }
        return "\(names[0]), \(names[1]) and \(names.count - 2) more"
    }
}
