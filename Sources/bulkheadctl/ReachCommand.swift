// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Reachability

struct ReachCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reach",
        abstract: "Lists who can reach whom, in a whole cluster, without a daemon.",
        usage: """
            bulkheadctl reach -f DIR --to shop/redis:6379
            bulkheadctl reach -f DIR --to 169.254.169.254:80
            bulkheadctl reach -f DIR --from outside
            bulkheadctl reach -f DIR [-o dot]
            """,
        discussion: """
            An end is namespace/name (a workload or a pod), namespace/* or namespace/label=value (*/label=value for all \
            namespaces), an address, a prefix, outside (addresses that no pod and no node has), node, or anywhere. \
            Ports follow after a colon: 6379, 53/udp, 8000-8999/tcp, tcp, other (ICMP and the like), or a list with \
            commas. An IPv6 address then stands in brackets: [fd00:ec2::254]:80.

            Answers are exact: they hold for every address, port and protocol, not only for some that were tried. Pods \
            with the network of their node have its address, and no policy of their own. Traffic between a pod and \
            itself is always allowed and is left out.
            """)

    @Option(help: ArgumentHelp("Who can reach this end?", valueName: "end[:ports]"))
    var to: String?

    @Option(help: ArgumentHelp("What can this end reach?", valueName: "end"))
    var from: String?

    @Option(name: .shortAndLong, help: "Namespace of names without one.")
    var namespace = "default"

    @Flag(help: "Also list what is denied.")
    var denied = false

    @Option(
        name: [.customShort("o"), .long],
        help: """
            text, for people; wide, with all columns and nothing cut; json, for programs; dot or mermaid, for a picture \
            of all pairs with at least one open port.
            """)
    var output = ReachFormat.text

    @OptionGroup var source: InventoryOptions

    func validate() throws { _ = try question() }

    private func question() throws -> (from: ReachEnd, to: ReachEnd, ports: [PortSpan]) {
        do throws(ReachTextError) {
            let source = try from.map { text throws(ReachTextError) in try ReachEnd(text, namespace: namespace) }
            let target = try to.map { text throws(ReachTextError) in
                try ReachEnd.withPorts(text, namespace: namespace)
            }
            return (source ?? .anywhere, target?.end ?? .anywhere, target?.ports ?? PortSpan.all)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() async throws {
        let question = try question()
        var map = try ReachabilityMap(try await source.inventoryWithPods())
        let rows = try map.reach(
            from: question.from, to: question.to, ports: question.ports, withDenied: denied)
        let answer = ReachAnswer(rows: rows.map { ReachRowAnswer($0, withDenied: denied) })
        switch output {
        case .text, .wide:
            Terminal.settings.withLock { $0.isWide = output == .wide }
            Terminal.write(Self.text(answer, isDual: map.families.count > 1))
        case .json: Terminal.writeJSON(try JSON.pretty(answer) + [UInt8(ascii: "\n")])
        case .dot: Terminal.write(ReachGraph(answer).dot)
        case .mermaid: Terminal.write(ReachGraph(answer).mermaid)
        }
    }

    /// - Parameter isDual: whether pods have addresses of both families.
    static func text(_ answer: ReachAnswer, isDual: Bool) -> String {
        var table = Table("FROM", "TO", "PORTS", "VERDICT", "DECIDED BY")
        // What no policy can keep out is one line for all.
        let shown = answer.rows.filter { !$0.isFromOwnNode }
        for row in shown {
            // Of a cluster with one family, the family says nothing. Of outside, the party says it.
            let isOutside = row.from.kind == "outside" || row.to.kind == "outside"
            let family = isDual && !isOutside && row.families.count == 1 ? " (\(row.families[0]))" : ""
            for group in Self.groups(row) {
                let ports = Self.text(group.ports) ?? Words.some(group.ports, limit: 8)
                table.add(
                    .init(row.ownNode == true && row.from.kind == "nodes" ? "own node" : row.from.text),
                    .init(row.ownNode == true && row.to.kind == "nodes" ? "own node" : row.to.text + family),
                    .init(ports), .init(group.verdict, VerdictCommand.color(group.verdict)), .init(group.rule))
            }
        }
        var text = table.isEmpty ? "nothing is open\n" : table.text
        if shown.count < answer.rows.count {
            text += "note: each pod's own node reaches it on every port, whatever the policies\n"
        }
        let leavesOutDenied = answer.rows.contains { $0.leavesOutDenied == true }
        if leavesOutDenied { text += "note: denied prefixes outside are left out: --denied lists them\n" }
        return text
    }

    private static let everything = Set(PortSpan.all.map(\.description))

    /// A short text for all ports of all protocols. Nil: these are not all.
    static func text(_ ports: [String]) -> String? { Set(ports) == everything ? "every port and protocol" : nil }

    private struct Group {
        var ports: [String]
        var verdict: String
        var rule: String
    }

    /// The ports of a row with the same verdict for the same reasons.
    private static func groups(_ row: ReachRowAnswer) -> [Group] {
        var groups: [Group] = []
        for access in row.ports {
            let sides = [access.egress?.ruleText("egress"), access.ingress?.ruleText("ingress")]
            let rule = sides.compactMap(\.self).joined(separator: "; ")
            if let index = groups.firstIndex(where: { $0.verdict == access.verdict && $0.rule == rule }) {
                groups[index].ports.append(access.ports)
            } else {
                groups.append(Group(ports: [access.ports], verdict: access.verdict, rule: rule))
            }
        }
        return groups
    }
}

/// How `reach` prints.
enum ReachFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case wide
    case json
    case dot
    case mermaid
}

extension ReachRowAnswer {
    /// From a pod's own node to it.
    fileprivate var isFromOwnNode: Bool { ownNode == true && from.kind == "nodes" }
}

extension DirectionAnswer {
    /// "shop/redis ingress rule 1", "no egress policy".
    func ruleText(_ direction: String) -> String {
        let text = rule.map { $0.kind == .noPolicy ? "no \(direction) policy" : $0.description } ?? kind
        return wouldDeny.map { "\(text) (audit: \($0))" } ?? text
    }
}
