// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

/// Rules and policies in words.
extension Outline {
    /// One policy as a whole.
    mutating func add(_ policy: PolicyDescription) {
        add("\(policy.policy.kind) \(policy.policy)")
        let tier = policy.priority.map { "\(policy.tier), priority \($0)" } ?? policy.tier
        add("tier      \(tier)", depth: 1)
        add("state     \(Self.state(policy))", depth: 1, color: policy.enforcement == "audit" ? .yellow : nil)
        if let origin = policy.origin { add("origin    \(origin)", depth: 1) }
        if let created = policy.createdAt { add("created   \(Age.long(created))", depth: 1) }
        add("changed   \(policy.changedAt.map { Age.long($0) } ?? "not since this daemon knows it")", depth: 1)
        add("subject   \(policy.subject): \(Self.pods(policy.selects))", depth: 1)
        if let hint = policy.hint { add(hint, depth: 6, color: .yellow) }
        if let endpoints = policy.endpoints { add("here      \(Self.pods(endpoints))", depth: 1) }
        addProblems(of: policy, depth: 1)
        for direction in ["ingress", "egress"] {
            let rules = direction == "ingress" ? policy.ingress : policy.egress
            let isolates = policy.isolates.contains(direction)
            guard isolates || !rules.isEmpty else { continue }
            add("\(direction)", depth: 1)
            for rule in rules { add(rule, direction, depth: 2) }
            guard isolates else { continue }
            let what = policy.policy.kind == "AuthorizationPolicy" ? "TCP that" : "what"
            add("\(what) no rule allows is denied" + Self.suffix(policy.denied?[direction]), depth: 2)
        }
        if let requests = policy.requests, !requests.isEmpty {
            let counts = requests.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            add("requests  \(counts.joined(separator: ", "))", depth: 1)
        }
    }

    /// One policy among those that select a pod.
    mutating func add(_ policy: PolicyDescription, _ direction: String, depth: Int) {
        var facts: [String] = []
        if let priority = policy.priority { facts.append("priority \(priority)") }
        if policy.report == true { facts.append("only reports") }
        if policy.enforcement == "audit", policy.report != true { facts.append("in audit: denies nothing") }
        if policy.createdAt != nil { facts.append("age \(Age.text(policy.createdAt))") }
        if policy.changedAt != nil { facts.append("changed \(Age.text(policy.changedAt)) ago") }
        let isAudit = policy.enforcement == "audit"
        add(
            "\(policy.policy.kind) \(policy.policy)" + (facts.isEmpty ? "" : " (\(facts.joined(separator: ", ")))"),
            depth: depth, color: isAudit ? .yellow : nil)
        addProblems(of: policy, depth: depth + 1)
        let rules = direction == "ingress" ? policy.ingress : policy.egress
        if rules.isEmpty { add("allows nothing", depth: depth + 1) }
        for rule in rules { add(rule, direction, depth: depth + 1) }
    }

    private mutating func addProblems(of policy: PolicyDescription, depth: Int) {
        for part in policy.partial ?? [] {
            add("not understood, so denied to be safe: \(part)", depth: depth, color: .red)
        }
        for problem in policy.problems ?? [] { add("newer version refused: \(problem)", depth: depth, color: .red) }
    }

    private mutating func add(_ rule: RuleDescription, _ direction: String, depth: Int) {
        let name = rule.name.map { " (\($0))" } ?? ""
        let color: Terminal.Color? = rule.action == "deny" ? .red : nil
        add(
            "rule \(rule.index + 1)\(name): \(rule.action) \(Self.ports(rule.ports))" + Self.suffix(rule.hits),
            depth: depth,
            color: color)
        for port in rule.ports ?? [] { if let hint = port.hint { add(hint, depth: depth + 1, color: .yellow) } }
        let word = direction == "ingress" ? "from" : "to"
        if let peers = rule.peers {
            if peers.isEmpty { add("\(word) nothing", depth: depth + 1) }
            for peer in peers { add(peer, word, depth: depth + 1) }
        } else if rule.conditions == nil {
            add("\(word) everyone", depth: depth + 1)
        }
        for condition in rule.conditions ?? [] {
            if condition.peers.isEmpty {
                add("\(word) \(condition.excluded ? "everyone" : "nothing")", depth: depth + 1)
            }
            for peer in condition.peers { add(peer, condition.excluded ? "not \(word)" : word, depth: depth + 1) }
        }
        for destination in rule.destinations ?? [] { add("own address \(destination)", depth: depth + 1) }
        if let request = rule.request { add("requests: \(request)", depth: depth + 1) }
    }

    private mutating func add(_ peer: PeerDescription, _ word: String, depth: Int) {
        var line = "\(word) \(peer.text)"
        if let pods = peer.pods { line += ": \(Self.pods(pods))" }
        if let addresses = peer.addresses, !addresses.isEmpty { line += ": \(addresses.joined(separator: ", "))" }
        add(line, depth: depth)
        if let hint = peer.hint { add(hint, depth: depth + 1, color: .yellow) }
    }

    // MARK: Words

    private static func state(_ policy: PolicyDescription) -> String {
        let state =
            policy.report == true
            ? "only reports what its rules match"
            : policy.enforcement == "audit" ? "audit: reports what it would deny, and denies nothing" : "enforced"
        guard let endpoints = policy.endpoints, endpoints.count == 0 else { return state }
        return "\(state); it selects no pod of this node"
    }

    /// `2 pods (shop/web-1, shop/web-2)`, `40 pods (…, and 30 more)`.
    static func pods(_ pods: PodsAnswer) -> String {
        guard pods.count > 0 else { return "no pod" }
        let names = Words.some(pods.names, limit: pods.names.count, of: pods.count)
        return "\(Words.count(pods.count, "pod")) (\(names))"
    }

    private static func ports(_ ports: [PortDescription]?) -> String {
        guard let ports else { return "every port" }
        if ports.isEmpty { return "no port" }
        return ports.map { port in
            guard let name = port.name else { return port.ports.joined(separator: ", ") }
            return port.ports.isEmpty ? "\(name) (no pod has it)" : "\(name) (\(port.ports.joined(separator: ", ")))"
        }.joined(separator: ", ")
    }

    /// `; 12 packets in 5m`. Of a counter that was taken over, the time is a lower bound.
    static func suffix(_ hits: HitsAnswer?) -> String {
        guard let hits else { return "" }
        var parts = [Words.count(Int(clamping: hits.packets), "packet")]
        if let requests = hits.requests { parts.append(Words.count(Int(clamping: requests), "request")) }
        let time = hits.earlier == true ? "more than \(Age.text(hits.since))" : Age.text(hits.since)
        return "; \(parts.joined(separator: " and ")) in \(time)"
    }
}
