// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

// Istio's reference of AuthorizationPolicy, word by word: DENY before ALLOW; without an ALLOW policy for the pod
// everything is allowed; a rule matches if a source, an operation and all conditions do.

extension Oracle {
    /// A pod that TCP comes to, by one of its addresses.
    struct AuthorizationQuestion {
        var pod: Pod
        var flow: Flow
        /// The pod's own address, where the flow's destination is a group's.
        var destination: IPAddress
        /// Nil: what the packets show must do.
        var request: OracleRequest?
    }

    /// How far a rule matches.
    private enum Match {
        case no
        /// By everything that packets show; the request decides.
        case ifRequest
        case yes
    }

    /// What the policies say about a flow. Nil: no policy is about it.
    ///
    /// Without a request, three values: the flow depends on the request if a rule that reads it matches by all else,
    /// and no rule that reads none decides before it. It then depends even if every request would be denied.
    func authorization(_ question: AuthorizationQuestion, withAudit: Bool) -> OracleAuthorization? {
        guard question.flow.ipProtocol == .tcp else { return nil }
        let policies = authorizationPolicies(for: question.pod, withAudit: withAudit)
        guard !policies.isEmpty else { return nil }
        guard let request = question.request else { return answer(policies, question) }
        guard answer(policies, question.withoutRequest) == .dependsOnRequest else {
            return answer(policies, question.withoutRequest)
        }
        // A path that servers read differently must not get past a rule about paths.
        guard policies.contains(where: { readsPath($0, question) }) else { return answer(policies, question) }
        guard let normal = request.normalPath else { return .refused }
        var other = question
        other.request?.path = normal
        let answers = (answer(policies, question), answer(policies, other))
        return answers.0?.allows == answers.1?.allows ? answers.1 : .refused
    }

    /// Those that select the pod. What an AUDIT policy matches is reported like what one in audit would deny.
    func authorizationPolicies(for pod: Pod, withAudit: Bool) -> [AuthorizationPolicy] {
        authorizationPolicies.filter { policy in
            let home = policy.metadata.namespace
            return (withAudit || policy.enforcement == .enforce && policy.action != .audit)
                && (home == settings.rootNamespace || home == pod.metadata.namespace)
                && Self.selects(policy.selector, pod.metadata.labels)
        }
    }

    /// Whether authorization may deny something to the pod.
    func hasAuthorization(_ pod: Pod) -> Bool {
        authorizationPolicies(for: pod, withAudit: false).contains { $0.action == .allow || !$0.rules.isEmpty }
    }

    private func answer(_ policies: [AuthorizationPolicy], _ question: AuthorizationQuestion) -> OracleAuthorization? {
        let hasRequest = question.request != nil
        let denying = policies.filter { $0.action != .allow }.map { match($0, question) }
        if denying.contains(.yes) { return hasRequest ? .requestDenied : .denied }
        if denying.contains(.ifRequest) { return .dependsOnRequest }
        let allowing = policies.filter { $0.action == .allow }
        if allowing.isEmpty { return nil }
        let matches = allowing.map { match($0, question) }
        if matches.contains(.yes) { return hasRequest ? .requestAllowed : .allowed }
        if matches.contains(.ifRequest) { return .dependsOnRequest }
        return hasRequest ? .requestNotAllowed : .notAllowed
    }

    private func match(_ policy: AuthorizationPolicy, _ question: AuthorizationQuestion) -> Match {
        // What is not understood allows nothing, and narrows no deny.
        if policy.action == .allow, !policy.unknown.isEmpty { return .no }
        let matches = policy.rules.map { match($0, of: policy, question) }
        return matches.contains(.yes) ? .yes : matches.contains(.ifRequest) ? .ifRequest : .no
    }

    private func match(
        _ rule: AuthorizationRule, of policy: AuthorizationPolicy, _ question: AuthorizationQuestion
    ) -> Match {
        guard policy.action != .allow || rule.unknown.isEmpty,
            rule.conditions.allSatisfy({ holds($0, of: policy, question) })
        else { return .no }
        if let sources = rule.sources, !sources.contains(where: { matches($0, of: policy, question) }) { return .no }
        let readsHeader = rule.conditions.contains { if case .header = $0.key { true } else { false } }
        guard let operations = rule.operations else { return result(readsRequest: readsHeader, question) }
        var best = Match.no
        for operation in operations where matches(operation, of: policy, question) {
            switch result(readsRequest: readsHeader || operation.readsRequest, question) {
            case .yes: return .yes
            case .ifRequest: best = .ifRequest
            case .no: break
            }
        }
        return best
    }

    private func result(readsRequest: Bool, _ question: AuthorizationQuestion) -> Match {
        readsRequest && question.request == nil ? .ifRequest : .yes
    }

    /// Whether a rule about paths matches by all that packets show.
    private func readsPath(_ policy: AuthorizationPolicy, _ question: AuthorizationQuestion) -> Bool {
        policy.rules.contains { rule in
            let aboutPaths = (rule.operations ?? []).filter { !$0.paths.isEmpty || !$0.notPaths.isEmpty }
            var part = policy
            part.rules = [
                AuthorizationRule(
                    sources: rule.sources, operations: aboutPaths, conditions: rule.conditions, unknown: rule.unknown)
            ]
            return !aboutPaths.isEmpty && match(part, question.withoutRequest) != .no
        }
    }
}

extension Oracle.AuthorizationQuestion {
    fileprivate var withoutRequest: Self {
        var copy = self
        copy.request = nil
        return copy
    }
}

extension AuthorizationOperation {
    fileprivate var readsRequest: Bool {
        [hosts, notHosts, methods, notMethods, paths, notPaths].contains { !$0.isEmpty }
    }
}

// MARK: One source, one operation, one condition

extension Oracle {
    private func matches(
        _ source: AuthorizationSource, of policy: AuthorizationPolicy, _ question: AuthorizationQuestion
    ) -> Bool {
        if policy.action == .allow, !source.unknown.isEmpty { return false }
        let peer = owners[question.flow.source]
        func fits(_ values: [String], _ notValues: [String], _ isIt: (Pod, String) -> Bool) -> Bool {
            // A source other than a pod has no identity: it matches none, and every negation.
            guard let peer else { return values.isEmpty }
            return (values.isEmpty || values.contains { isIt(peer, $0) }) && !notValues.contains { isIt(peer, $0) }
        }
        let home = policy.metadata.namespace
        return fits(source.principals, source.notPrincipals, isPrincipal)
            && fits(source.namespaces, source.notNamespaces) { Self.fits($1, $0.metadata.namespace) }
            && fits(source.serviceAccounts, source.notServiceAccounts) { Self.isAccount($0, $1, home: home) }
            && (source.ipBlocks.isEmpty || source.ipBlocks.contains { $0.contains(question.flow.source) })
            && !source.notIpBlocks.contains { $0.contains(question.flow.source) }
    }

    private func matches(
        _ operation: AuthorizationOperation, of policy: AuthorizationPolicy, _ question: AuthorizationQuestion
    ) -> Bool {
        if policy.action == .allow, !operation.unknown.isEmpty { return false }
        let port = question.flow.destinationPort
        guard operation.ports.isEmpty || operation.ports.contains(where: { $0 == port }),
            !operation.notPorts.contains(where: { $0 == port })
        else { return false }
        guard let request = question.request else { return true }
        func fits(_ values: [String], _ notValues: [String], _ isIt: (String) -> Bool) -> Bool {
            (values.isEmpty || values.contains(where: isIt)) && !notValues.contains(where: isIt)
        }
        return fits(operation.methods, operation.notMethods) { Self.fits($0, request.method) }
            && fits(operation.hosts, operation.notHosts) { Self.fits($0.lowercased(), request.host.lowercased()) }
            && fits(operation.paths, operation.notPaths) { Self.fitsPath($0, request.path) }
    }

    private func holds(
        _ condition: AuthorizationCondition, of policy: AuthorizationPolicy, _ question: AuthorizationQuestion
    ) -> Bool {
        let peer = owners[question.flow.source]
        let home = policy.metadata.namespace
        let isIt: (String) -> Bool
        switch condition.key {
        case .sourceIP: isIt = { Self.contains($0, question.flow.source) }
        case .destinationIP: isIt = { Self.contains($0, question.destination) }
        case .sourceNamespace: isIt = { value in peer.map { Self.fits(value, $0.metadata.namespace) } ?? false }
        case .sourcePrincipal: isIt = { value in peer.map { isPrincipal($0, value) } ?? false }
        case .sourceServiceAccount: isIt = { value in peer.map { Self.isAccount($0, value, home: home) } ?? false }
        case .destinationPort: isIt = { $0 == question.flow.destinationPort.map { "\($0)" } }
        case .header(let name):
            guard let request = question.request else { return true }
            isIt = { value in request.headers[name].map { Self.fits(value, $0) } ?? false }
        // Of a rule that denies: as if it were not written.
        case .unreadable: return true
        }
        return (condition.values.isEmpty || condition.values.contains(where: isIt))
            && !condition.notValues.contains(where: isIt)
    }

    private func isPrincipal(_ pod: Pod, _ pattern: String) -> Bool {
        settings.trustDomains.contains { domain in
            Self.fits(pattern, "\(domain)/ns/\(pod.metadata.namespace)/sa/\(pod.serviceAccountName)")
        }
    }

    private static func isAccount(_ pod: Pod, _ text: String, home: String) -> Bool {
        let full = "\(pod.metadata.namespace)/\(pod.serviceAccountName)"
        return text == full || "\(home)/\(text)" == full
    }

    private static func contains(_ text: String, _ address: IPAddress) -> Bool {
        if let single = try? IPAddress(text) { return single == address }
        guard let prefix = try? CIDR(text) else { return false }
        return prefix.contains(address)
    }

    /// Exact, `start*`, `*end`, or `*` for anything but nothing.
    private static func fits(_ pattern: String, _ text: String) -> Bool {
        let (pattern, text) = (Array(pattern.utf8), Array(text.utf8))
        let star = UInt8(ascii: "*")
        if pattern == [star] { return !text.isEmpty }
        if pattern.first == star {
            let end = pattern.dropFirst()
            return text.count >= end.count && text.suffix(end.count).elementsEqual(end)
        }
        if pattern.last == star {
            let start = pattern.dropLast()
            return text.count >= start.count && text.prefix(start.count).elementsEqual(start)
        }
        return pattern == text
    }

    /// A pattern, or a template: `{*}` is one segment, `{**}` anything after its slash.
    private static func fitsPath(_ pattern: String, _ path: String) -> Bool {
        guard pattern.contains("{*}") || pattern.contains("{**}") else { return Self.fits(pattern, path) }
        func segments(_ text: String) -> [String] {
            text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        }
        func follows(_ pattern: ArraySlice<String>, _ text: ArraySlice<String>) -> Bool {
            guard let first = pattern.first else { return text.isEmpty }
            guard let segment = text.first else { return false }
            switch first {
            case "{**}": return text.indices.contains { follows(pattern.dropFirst(), text[($0 + 1)...]) }
            case "{*}": return !segment.isEmpty && follows(pattern.dropFirst(), text.dropFirst())
            default: return first == segment && follows(pattern.dropFirst(), text.dropFirst())
            }
        }
        return follows(segments(pattern)[...], segments(path)[...])
    }
}
