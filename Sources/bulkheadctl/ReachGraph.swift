// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlViews

/// The open pairs of an answer as a picture for Graphviz or Mermaid: a box for each workload, an arrow for each pair.
struct ReachGraph {
    private struct Edge: Hashable {
        var from: Int
        var to: Int
    }

    private var numbers: [String: Int] = [:]
    private var names: [String] = []
    /// Nil for nodes and outside.
    private var namespaces: [String?] = []
    private var edges: [Edge: [String]] = [:]

    init(_ answer: ReachAnswer) {
        for row in answer.rows where row.ownNode != true {
            let ports = row.ports.filter { $0.verdict != "deny" }.map {
                $0.verdict == "allow" ? $0.ports : "\($0.ports) (\($0.verdict))"
            }
            guard !ports.isEmpty else { continue }
            let edge = Edge(from: number(row.from), to: number(row.to))
            for port in ports where !(edges[edge]?.contains(port) ?? false) { edges[edge, default: []].append(port) }
        }
    }

    /// Of a party, whatever part of it a row is about.
    private mutating func number(_ party: ReachPartyAnswer) -> Int {
        let namespace = party.kind == "workload" ? party.namespace ?? "" : nil
        let name = party.kind == "workload" ? party.name ?? "" : party.kind
        let key = "\(namespace.map { "/\($0)" } ?? "")/\(party.controller ?? "")/\(name)"
        if let number = numbers[key] { return number }
        numbers[key] = names.count
        names.append(name)
        namespaces.append(namespace)
        return names.count - 1
    }

    private var sorted: [(edge: Edge, label: String)] {
        edges.sorted { ($0.key.from, $0.key.to) < ($1.key.from, $1.key.to) }.map { edge, ports in
            let short =
                ports.count > 6 ? "\(ports.prefix(6).joined(separator: ", ")), …" : ports.joined(separator: ", ")
            return (edge, ReachCommand.text(ports) ?? short)
        }
    }

    /// The boxes of each namespace; those of none first.
    private var groups: [(namespace: String?, nodes: [Int])] {
        Dictionary(grouping: names.indices) { namespaces[$0] }
            .sorted { ($0.key ?? "") < ($1.key ?? "") }.map { ($0.key, $0.value) }
    }

    /// For `dot -Tsvg`.
    var dot: String {
        var text = "digraph reach {\n  rankdir=LR;\n  node [shape=box];\n"
        for (number, group) in groups.enumerated() {
            guard let namespace = group.namespace else {
                for node in group.nodes { text += "  n\(node) [label=\(Self.quoted(names[node])), shape=ellipse];\n" }
                continue
            }
            text += "  subgraph cluster_\(number) {\n    label=\(Self.quoted(namespace));\n"
            for node in group.nodes { text += "    n\(node) [label=\(Self.quoted(names[node]))];\n" }
            text += "  }\n"
        }
        for (edge, label) in sorted { text += "  n\(edge.from) -> n\(edge.to) [label=\(Self.quoted(label))];\n" }
        return text + "}\n"
    }

    /// For Markdown that renders Mermaid.
    var mermaid: String {
        var text = "flowchart LR\n"
        for (number, group) in groups.enumerated() {
            guard let namespace = group.namespace else {
                for node in group.nodes { text += "  n\(node)([\(Self.entities(names[node]))])\n" }
                continue
            }
            text += "  subgraph s\(number)[\(Self.entities(namespace))]\n"
            for node in group.nodes { text += "    n\(node)[\(Self.entities(names[node]))]\n" }
            text += "  end\n"
        }
        for (edge, label) in sorted { text += "  n\(edge.from) -->|\(Self.entities(label))| n\(edge.to)\n" }
        return text
    }

    private static func quoted(_ text: String) -> String {
        escaped(text, ["\"": "\\\"", "\\": "\\\\"])
    }

    /// In quotes, with Mermaid's entities for what HTML or Mermaid would read.
    private static func entities(_ text: String) -> String {
        escaped(text, ["\"": "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"])
    }

    /// By code points: a quote with an accent after it is another character, but still a quote to readers.
    private static func escaped(_ text: String, _ special: [Unicode.Scalar: String]) -> String {
        var result = "\""
        for scalar in VisibleText.line(text).unicodeScalars {
            if let escape = special[scalar] { result += escape } else { result.unicodeScalars.append(scalar) }
        }
        return result + "\""
    }
}
