// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows whether the daemon runs, what it holds, and what is wrong.",
        discussion: "Exits with 1 if something is wrong, so that it can serve as a health check.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let status = try await socket.client.ask(StatusAnswer.self, .get, .status)
        try output.print(status, text: Self.text)
        if !status.healthy { throw ExitStatus.failure.error }
    }

    static func text(_ status: StatusAnswer) -> String {
        var table = Table("NODE", status.node)
        table.add("healthy", .init(status.healthy ? "yes" : "no", status.healthy ? .green : .red))
        table.add("version", "\(status.version), pid \(status.pid), up \(duration(status.uptimeSeconds))")
        table.add("datapath", text(status.datapath))
        table.add("", "because \(status.datapath.reason)")
        if status.datapath.repaired > 0 {
            table.add("", .init("\(status.datapath.repaired) changes by others put right", .yellow))
        }
        if let reason = status.datapath.notReplaced {
            table.add("", .init("another datapath judges as well, it could not be removed: \(reason)", .red))
        }
        let sizes = status.tables
        table.add(
            "tables",
            """
            \(sizes.endpoints) endpoints, \(sizes.programs) programs, \(sizes.rules) rules, \
            \(sizes.addresses) addresses in \(sizes.addressClasses) classes, \(sizes.portClasses) port classes
            """)
        if let cluster = status.cluster { for line in lines(cluster) { table.add("cluster", line) } }
        table.add(
            "manifests", "\(status.manifests.objects) objects from \(status.manifests.directory ?? "no directory")")
        if let guardrails = status.guardrails {
            table.add("guardrails", "\(guardrails.objects) policies from \(guardrails.directory ?? "no directory")")
        }
        for line in lines(status.policies) { table.add("policies", line) }
        table.add(
            "pushed",
            "\(status.pushed.objects) objects, \(status.pushed.resolvedEndpoints) endpoints with resolved policy")
        if let bridges = status.bridges {
            table.add(
                "bridges", "\(bridges.ports) ports with pods, \(bridges.spoofed) frames with foreign addresses dropped")
            if bridges.unknownPorts > 0 {
                table.add("", .init("\(bridges.unknownPorts) ports of which no pod is known", .yellow))
            }
        }
        if let tunnels = status.tunnels { table.add("tunnels", text(tunnels)) }
        for line in lines(status.attachments, status.plugin) { table.add("CNI", line) }
        table.add("followers", "\(status.followers)")
        return table.text + overLimit(status.limits) + problems(status.bridges)
            + [status.guardrails, status.manifests].compactMap { $0 }.map(problems).joined()
            + problems(status.cluster)
    }

    private static func text(_ tunnels: TunnelStatus) -> Table.Cell {
        let ends = tunnels.udpPorts.map { "udp/\($0)" } + tunnels.protocols.map { "protocol \($0)" }
        let list = ends.isEmpty ? "without a known port" : ends.joined(separator: ", ")
        guard tunnels.guarded else { return .init("\(list): pods may send to them", .yellow) }
        return .init("\(list): dropped from pods to this node and to \(tunnels.nodes) addresses of others")
    }

    private static func lines(_ cluster: ClusterStatus) -> [Table.Cell] {
        var lines: [Table.Cell] = [.init(cluster.server)]
        if !cluster.complete {
            let before = cluster.keepsPrevious ? "what a previous run left" : "guardrails alone"
            lines.append(.init("not all is known yet; in force: \(before)", .red))
        }
        for watch in cluster.watches {
            let text = "\(watch.resource): \(watch.phase), \(watch.objects) objects"
            let isLate = watch.secondsSinceSign >= ClusterStatus.staleSeconds
            let age = isLate || watch.error != nil ? ", last sign \(duration(Int(watch.secondsSinceSign))) ago" : ""
            let error = watch.error.map { ", failed \(watch.failures)x: \($0)" } ?? ""
            lines.append(.init(text + age + error, isLate ? .red : watch.error == nil ? nil : .yellow))
        }
        return lines
    }

    private static func problems(_ cluster: ClusterStatus?) -> String {
        guard let problems = cluster?.problems, !problems.isEmpty else { return "" }
        let lines = problems.map { "  \(Terminal.paint("\($0)", .red))\n" }.joined()
        return "\nof the API server, without effect:\n" + lines
    }

    private static func lines(_ policies: PolicyStatus) -> [Table.Cell] {
        var lines: [Table.Cell] = ["\(policies.count) in force, \(policies.audited) of them in audit"]
        if policies.wouldDeny > 0 {
            lines.append(.init("\(policies.wouldDeny) packets passed that policy in audit would deny", .yellow))
        }
        if policies.partial > 0 {
            lines.append(.init("\(policies.partial) not understood in part, which deny to be safe", .red))
        }
        if policies.unknownEndpoints > 0 {
            let count = policies.unknownEndpoints
            lines.append(.init("guardrails hold for \(count) pods that no object tells of", .yellow))
        }
        let judged = policies.judgesOwnNode ? "judged" : "not judged"
        lines.append("from pods to their own node: \(judged), \(policies.ownNodeReason)")
        return lines
    }

    private static func lines(_ attachments: AttachmentStatus?, _ plugin: PluginStatus?) -> [Table.Cell] {
        var lines: [Table.Cell] = []
        if let problem = plugin?.problem {
            lines.append(.init("plugin not installed: \(problem)", .red))
        } else if let plugin {
            lines.append("plugin in \(plugin.configuration ?? "no configuration"), put in \(plugin.installs)x")
        }
        guard let attachments else { return lines }
        lines.append("\(attachments.count) pods told of by the container runtime")
        if attachments.held > 0 {
            lines.append(.init("\(attachments.held) of them denied all, since no object tells of them", .yellow))
        }
        if attachments.unjudged > 0 {
            lines.append(.init("\(attachments.unjudged) of them unprotected, since no object tells of them", .red))
        }
        return lines
    }

    private static func text(_ datapath: DatapathStatus) -> Table.Cell {
        switch datapath.state {
        case .programmed:
            let last = "last \(datapath.lastWords) words in \(datapath.lastMicroseconds) µs"
            return .init("\(datapath.kind), programmed, \(datapath.batches) batches, \(last)", .green)
        case .retrying:
            let again = datapath.retryInSeconds.map { ", again in \(Int($0.rounded(.up))) s" } ?? ""
            return .init("\(datapath.kind), failed \(datapath.failures)x\(again): \(datapath.error ?? "")", .red)
        }
    }

    private static func overLimit(_ limits: LimitStatus) -> String {
        var text = limits.unprotected.map { "not protected, the tables are full: \($0)\n" }.joined()
        if limits.deniedPrograms > 0 { text += "\(limits.deniedPrograms) rule lists too large: all is denied\n" }
        return text.isEmpty ? "" : "\n" + Terminal.paint(text, .red)
    }

    private static func problems(_ bridges: BridgeStatus?) -> String {
        let text = (bridges?.problems ?? []).map { "not enforced within bridges: \($0)\n" }.joined()
        return text.isEmpty ? "" : "\n" + Terminal.paint(text, .red)
    }

    private static func problems(_ manifests: ManifestStatus) -> String {
        var text = ""
        if !manifests.problems.isEmpty {
            text += "\nrefused, what was in force before stays:\n"
            text += manifests.problems.map { "  \(Terminal.paint("\($0)", .red))\n" }.joined()
        }
        if !manifests.notices.isEmpty {
            text += "\nnotices:\n" + manifests.notices.map { "  \(Terminal.paint($0, .yellow))\n" }.joined()
        }
        return text
    }

    private static func duration(_ seconds: Int) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        case ..<86400: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86400) d \(seconds % 86400 / 3600) h"
        }
    }
}
