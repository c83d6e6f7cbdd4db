// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Tables without their numbers: equal for any two that decide every flow in the same way for the same reasons,
/// whatever their history.
public struct CanonicalPolicy: Sendable, Equatable, CustomStringConvertible {
    /// Sorted by section.
    public let lines: [String]

    public var description: String { lines.joined(separator: "\n") }

    public init(_ policy: CompiledPolicy) {
        lines = policy.canonicalLines
    }

    /// Lines that only one of two has, "-" for `self`, "+" for `other`; for tests and support.
    public func difference(from other: CanonicalPolicy) -> [String] {
        let mine = Set(lines)
        let theirs = Set(other.lines)
        return lines.filter { !theirs.contains($0) }.map { "- \($0)" }
            + other.lines.filter { !mine.contains($0) }.map { "+ \($0)" }
    }
}

extension CompiledPolicy {
    public var canonical: CanonicalPolicy { CanonicalPolicy(self) }

    fileprivate var canonicalLines: [String] {
        let classNames = addressClasses.mapValues { addressClass in
            "{" + addressClass.peerSets.map { peerSets[$0]?.canonicalText ?? "?" }.sorted().joined(separator: " | ")
                + "}"
        }
        var lines = peerSets.values.map { "set \($0.canonicalText)" }.sorted()
        lines += addressLines(classNames).sorted()
        lines += portLines
        lines += rules.values.map { "rule \($0.identity.canonicalText)" }.sorted()
        // Many endpoints share a program, and its text is long.
        let texts = programs.mapValues { text($0, classNames) }
        lines += endpoints.values.map { endpoint in
            let both = [endpoint.ingress, endpoint.egress].map { texts[$0] ?? "none" }.joined(separator: "; ")
            return "endpoint \(endpoint.name) \(endpoint.addresses) \(both)"
        }.sorted()
        if judgesOwnNode { lines.append("own node judged") }
        lines += endpointsOverLimit.map { "endpoint over limit \($0)" }
        return lines
    }

    private func addressLines(_ classNames: [AddressClassID: String]) -> [String] {
        func line(_ prefix: CIDR, _ entry: AddressEntry) -> String {
            let endpoint =
                entry.endpoint == .none ? "" : " endpoint \(endpoints[entry.endpoint]?.name.description ?? "?")"
            return "address \(prefix) \(classNames[entry.addressClass] ?? "?")\(endpoint)"
        }
        return addresses.hosts.map { line(CIDR(host: $0.key), $0.value) }
            + addresses.prefixes.map { line($0.key, $0.value) }
    }

    /// A port class is named by its first segment.
    private var portNames: [PortClassID: String] {
        var result: [PortClassID: String] = [.none: "rest"]
        for segment in portSegments where result[segment.portClass] == nil {
            result[segment.portClass] = segment.ports.description
        }
        return result
    }

    private var portLines: [String] {
        let names = portNames
        return portSegments.map { "ports \($0.ports) as \(names[$0.portClass] ?? "?")" }
    }

    private func text(_ program: Program, _ classNames: [AddressClassID: String]) -> String {
        let names = portNames
        let rules = (program.rules + program.auditRules).map { rule in
            "\(rule.tier) \(rule.action) \(identityText(rule.rule)) \(text(rule.peers)) \(rule.ports.text)"
                + (rule.request.map { " \($0)" } ?? "")
        }
        var cells: [String] = []
        for (addressClass, name) in classNames {
            for (portClass, port) in names {
                let cell = program.cell(addressClass, portClass)
                cells.append(
                    "\(name) \(port): \(cell.verdict)\(cell.wouldDeny ? " would deny" : "") \(identityText(cell.rule))")
            }
        }
        return "\(program.direction) [\(rules.joined(separator: ", "))] [\(cells.sorted().joined(separator: ", "))]"
    }

    private func identityText(_ id: RuleID) -> String { rules[id]?.identity.canonicalText ?? "?" }
}

extension PeerSetDescription {
    fileprivate var canonicalText: String {
        let prefixes = blocks + bounds
        return prefixes.isEmpty ? description : "\(description) \(prefixes.map(\.description))"
    }
}

extension RuleIdentity {
    fileprivate var canonicalText: String {
        switch self {
        case .rule(let policy, let direction, let index, let name):
            "\(policy.kind) \(policy) \(direction) \(index) \(name ?? "")"
        case .report(let policy, let direction, let index): "report \(policy.kind) \(policy) \(direction) \(index)"
        case .isolation(let direction, let policies): "isolation \(direction) \(policies)"
        case .ownNode(let direction): "own node \(direction)"
        case .noPolicy: "no policy"
        case .failsafe(let what): "failsafe \(what)"
        case .overLimit(let direction): "over limit \(direction)"
        }
    }
}
