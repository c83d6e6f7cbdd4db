// SPDX-License-Identifier: Apache-2.0
import Documents

/// Explains a field that a tier policy does not have: one of the other API version, of NetworkPolicy, or of earlier
/// releases.
enum MisplacedTierField {
    typealias Explanation = MisplacedField.Explanation

    static func inDocument(_ entry: DocumentNode.Entry, _ dialect: TierDialect) -> Explanation? {
        dialect.specFields.contains(entry.key)
            ? ("unknown field", "\(entry.key) belongs under spec: indent it") : nil
    }

    static func inSpec(_ entry: DocumentNode.Entry, _ dialect: TierDialect) -> Explanation? {
        switch entry.key {
        case "tier":
            let tier = dialect.kind == .adminNetworkPolicy ? "Admin" : "Baseline"
            return ("unknown field", "\(dialect.kind.objectKind.withArticle) always belongs to the \(tier) tier")
        case "priority": return ("unknown field", "a BaselineAdminNetworkPolicy has no priority")
        case "podSelector", "namespaceSelector":
            return ("unknown field", "write 'subject: pods: {namespaceSelector: …, podSelector: …}'")
        case "namespaces", "pods": return ("unknown field", "\(entry.key) belongs under subject")
        case "policyTypes": return ("unknown field", "a direction without rules is not affected: leave it out")
        case "from", "to", "ports", "protocols", "action":
            return ("unknown field", "\(entry.key) belongs to a rule of ingress or egress")
        default: return nil
        }
    }

    static func inRule(
        _ entry: DocumentNode.Entry, _ direction: PolicyType, _ dialect: TierDialect
    ) -> Explanation? {
        let peers = TierDialect.peersField(direction)
        switch entry.key {
        case "from", "to":
            return ("unknown field", "a rule of \(direction == .ingress ? "ingress" : "egress") has '\(peers)'")
        case "ports" where dialect.isV1Alpha2:
            return ("unknown field", "write 'protocols: - tcp: {destinationPort: {number: …}}'")
        case "protocols":
            return ("unknown field", "write 'ports: - portNumber: {protocol: TCP, port: …}'")
        case "namespaces", "pods", "nodes", "networks", "domainNames", "podSelector", "namespaceSelector", "ipBlock":
            return ("unknown field", "\(entry.key) belongs to a peer: '\(peers): - …'")
        case "tcp", "udp", "sctp", "destinationNamedPort", "portNumber", "portRange", "namedPort":
            return ("unknown field", "\(entry.key) belongs under \(dialect.portsField)")
        default: return nil
        }
    }

    static func inPeer(_ entry: DocumentNode.Entry, _ direction: PolicyType) -> Explanation? {
        switch entry.key {
        case "domainNames" where direction == .egress:
            return ("peers by domain name are not supported", "write the addresses as 'networks'")
        case "nodes", "networks", "domainNames":
            return ("unknown field", "\(entry.key) are peers of egress; ingress supports namespaces and pods")
        case "ipBlock":
            return ("unknown field", direction == .egress ? "write 'networks: [10.0.0.0/8]'" : nil)
        case "podSelector", "namespaceSelector":
            return ("unknown field", "write 'pods: {namespaceSelector: …, podSelector: …}'")
        case "matchLabels", "matchExpressions":
            return ("unknown field", "\(entry.key) belongs inside namespaces, or inside a selector of pods: indent it")
        case "ports", "protocols": return ("unknown field", "\(entry.key) belong to the rule: indent them less")
        default: return removed(entry)
        }
    }

    static func inSubject(_ entry: DocumentNode.Entry) -> Explanation? {
        switch entry.key {
        case "podSelector", "namespaceSelector":
            return ("unknown field", "write 'pods: {namespaceSelector: …, podSelector: …}'")
        case "matchLabels", "matchExpressions":
            return ("unknown field", "\(entry.key) belongs inside namespaces, or inside a selector of pods: indent it")
        default: return removed(entry)
        }
    }

    static func inNamespaces(_ entry: DocumentNode.Entry) -> Explanation? {
        if entry.key == "namespaceSelector" {
            return ("unknown field", "namespaces is the selector itself: write its matchLabels directly under it")
        }
        return removed(entry) ?? MisplacedField.inSelector(entry)
    }

    static func inPods(_ entry: DocumentNode.Entry) -> Explanation? {
        switch entry.key {
        case "namespaces": return ("unknown field", "it is called namespaceSelector and is a selector itself")
        case "matchLabels", "matchExpressions":
            return ("unknown field", "\(entry.key) belongs inside podSelector: indent it")
        default: return removed(entry)
        }
    }

    static func inProtocol(_ entry: DocumentNode.Entry, _ dialect: TierDialect) -> Explanation? {
        switch entry.key {
        case "TCP", "UDP", "SCTP": return ("unknown field", "write \(entry.key.lowercased())")
        case "namedPort": return ("unknown field", "\(dialect.kind.rawValue) calls it destinationNamedPort")
        case "destinationNamedPort": return ("unknown field", "\(dialect.kind.rawValue) calls it namedPort")
        case "portNumber", "portRange", "port", "protocol", "endPort", "destinationPort", "number", "range":
            let right =
                dialect.isV1Alpha2
                ? "tcp: {destinationPort: {number: …}}" : "portNumber: {protocol: TCP, port: …}"
            return ("unknown field", "write '\(right)'")
        case "tcp", "udp", "sctp":
            return ("unknown field", "write 'portNumber: {protocol: \(entry.key.uppercased()), port: …}'")
        default: return nil
        }
    }

    static func inTransport(_ entry: DocumentNode.Entry) -> Explanation? {
        switch entry.key {
        case "number", "range", "port": return ("unknown field", "write 'destinationPort: {number: …}'")
        default: return nil
        }
    }

    /// Fields of v1alpha1 before release 0.1.2 of the API.
    private static func removed(_ entry: DocumentNode.Entry) -> Explanation? {
        switch entry.key {
        case "sameLabels":
            return (
                "was removed from the API and is not enforced",
                "write a policy for each value, with it in subject and peer: 'namespaces: {matchLabels: {KEY: VALUE}}'"
            )
        case "notSameLabels":
            return (
                "was removed from the API and is not enforced",
                "write a policy for each value, with it in subject, and the peer "
                    + "'namespaces: {matchExpressions: [{key: KEY, operator: NotIn, values: [VALUE]}]}'"
            )
        default: return nil
        }
    }
}
