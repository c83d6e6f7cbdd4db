// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

extension CompiledPolicy: CustomStringConvertible {
    /// All tables as text, numbers included, in order of number.
    public var description: String {
        var lines: [String] = ["peer sets:"]
        for (id, set) in peerSets.sorted(by: { $0.key < $1.key }) { lines.append("  \(id.rawValue)  \(set)") }
        lines.append("address classes:")
        for (id, addressClass) in addressClasses.sorted(by: { $0.key < $1.key }) {
            let sets = addressClass.peerSets.map { "\($0.rawValue)" }.joined(separator: ",")
            lines.append("  \(id.rawValue)  sets [\(sets)]  key \(addressClass.key)")
        }
        lines.append("addresses:")
        for (prefix, entry) in addresses.sorted {
            let endpoint = entry.endpoint == .none ? "" : "  endpoint \(entry.endpoint.rawValue)"
            lines.append("  \(prefix)  class \(entry.addressClass.rawValue)\(endpoint)")
        }
        lines.append("ports:")
        for segment in portSegments { lines.append("  \(segment.ports)  class \(segment.portClass.rawValue)") }
        lines.append("rules:")
        for (id, rule) in rules.sorted(by: { $0.key < $1.key }) {
            lines.append("  \(id.rawValue)  \(rule.identity.name)")
        }
        lines.append("programs:")
        for (id, program) in programs.sorted(by: { $0.key < $1.key }) { lines += describe(id, program) }
        lines.append("endpoints:")
        for (id, endpoint) in endpoints.sorted(by: { $0.key < $1.key }) {
            let addresses = endpoint.addresses.map(\.description).joined(separator: " ")
            lines.append(
                "  \(id.rawValue)  \(endpoint.name)  \(addresses)  ingress \(endpoint.ingress.rawValue)"
                    + "  egress \(endpoint.egress.rawValue)")
        }
        if ownNodeClass != .none { lines.append("own node: class \(ownNodeClass.rawValue)") }
        if judgesOwnNode { lines.append("traffic to the own node is judged") }
        for name in endpointsOverLimit { lines.append("  not protected, over the limit: \(name)") }
        return lines.joined(separator: "\n") + "\n"
    }

    private func describe(_ id: ProgramID, _ program: Program) -> [String] {
        let limit = programsOverLimit.contains(id) ? "  over the limits" : ""
        var lines = ["  \(id.rawValue)  \(program.direction.rawValue)\(limit)  key \(program.key)"]
        for rule in program.rules {
            let name = rules[rule.rule]?.identity.name ?? "?"
            let request = rule.request.map { ", \($0)" } ?? ""
            lines.append("    \(rule.action.rawValue) \(text(rule.peers)), \(rule.ports.text)\(request): \(name)")
        }
        for rule in program.auditRules {
            let name = rules[rule.rule]?.identity.name ?? "?"
            lines.append("    in audit: \(rule.action.rawValue) \(text(rule.peers)), \(rule.ports.text): \(name)")
        }
        for row in 0..<program.cells.count / program.columnCount {
            let classes = addressClasses.keys.filter { Int(program.rows[Int($0.rawValue)]) == row }.sorted()
            let cells = (0..<program.columnCount).map { column in
                let cell = program.cells[row * program.columnCount + column]
                return "\(cell.wouldDeny ? "would deny" : cell.verdict.rawValue) \(cell.rule.rawValue)"
            }
            let names = classes.map { "\($0.rawValue)" }.joined(separator: ",")
            lines.append("    row \(row) classes [\(names)]: \(cells.joined(separator: " | "))")
        }
        return lines
    }
}

extension AddressTable {
    /// All entries in order of prefix.
    public var sorted: [(prefix: CIDR, entry: AddressEntry)] {
        let all =
            hosts.map { (prefix: CIDR(host: $0.key), entry: $0.value) }
            + prefixes.map { (prefix: $0.key, entry: $0.value) }
        return all.sorted { $0.prefix < $1.prefix }
    }
}
