// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows whether the daemon is healthy, what it enforces, and what is wrong.",
        discussion: """
            Exits with 1 if it is not healthy, so that it can serve as a health check: policy is not fully in force, a \
            document is refused, or nothing is protected. Warnings alone leave it healthy.

            With --verify, the daemon checks at once what it otherwise checks in turn: hooks, tables, interfaces, \
            connection tracking, bridges, and thousands of flows that kernel and policy are both asked about. What is not \
            as it should be is repaired if possible. Exits with 1 if a check failed or repaired something.
            """)

    @Flag(help: "Check everything that enforces now, and say what is not as it should be.")
    var verify = false

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        if verify { return try await VerifyReport.run(socket, output) }
        let status = try await socket.client.ask(StatusAnswer.self, .get, .status)
        try output.print(status, text: Self.text)
        if !status.healthy { throw ExitStatus.failure.error }
    }

    static func text(_ status: StatusAnswer) -> String {
        var table = Table()
        table.add("NODE", .init(status.node))
        table.add("healthy", .init(status.healthy ? "yes" : "no", status.healthy ? .green : .red))
        for line in warnings(status) { table.add(line.title, line.text) }
        table.add("version", "\(status.version), pid \(status.pid), up \(duration(status.uptimeSeconds))")
        add("datapath", lines(status.datapath), to: &table)
        table.add("tables", .init(text(status.tables)))
        if let cluster = status.cluster { add("cluster", lines(cluster), to: &table) }
        table.add("manifests", .init(source(status.manifests, Words.count(status.manifests.objects, "object"))))
        if let guardrails = status.guardrails {
            table.add("guardrails", .init(source(guardrails, Words.count(guardrails.objects, "policy", "policies"))))
        }
        add("policies", lines(status.policies), to: &table)
        table.add(
            "pushed",
            """
            \(Words.count(status.pushed.objects, "object")), \
            \(Words.count(status.pushed.resolvedEndpoints, "endpoint")) with resolved policy
            """)
        if let bridges = status.bridges {
            table.add(
                "bridges",
                """
                \(Words.count(bridges.ports, "port")) with pods, \
                \(Words.count(Int(clamping: bridges.spoofed), "frame")) with foreign addresses dropped
                """)
            if bridges.unknownPorts > 0 {
                table.add("", .init("no known pod behind \(Words.count(bridges.unknownPorts, "port"))", .yellow))
            }
        }
        if let tunnels = status.tunnels { table.add("tunnels", text(tunnels)) }
        add("CNI", lines(status.attachments, status.plugin), to: &table)
        if let requests = status.requests { table.add("requests", text(requests)) }
        if let flows = status.flows { add("flows", lines(flows), to: &table) }
        table.add("followers", "\(status.followers)")
        return table.text + overLimit(status.limits) + problems(status.bridges)
            + [status.guardrails, status.manifests].compactMap { $0 }.map(problems).joined()
            + problems(status.cluster)
    }

    /// Rows under one title.
    private static func add(_ title: String, _ lines: [Table.Cell], to table: inout Table) {
        for (number, line) in lines.enumerated() { table.add(.init(number == 0 ? title : ""), line) }
    }

    private static func text(_ requests: RequestStatus) -> Table.Cell {
        let pods = "\(Words.count(requests.endpoints, "pod")) with flows whose requests decide"
        guard let problem = requests.problem else {
            return .init("\(pods); they go through the proxy \(requests.proxyPod ?? requests.proxy)")
        }
        guard requests.endpoints > 0 else { return .init("\(pods); the proxy could serve none: \(problem)", .yellow) }
        let since = requests.missingSeconds.map { " for \(duration($0))" } ?? ""
        let state = requests.proxyReady ? "cannot be reached" : "is missing"
        return .init("\(pods); the proxy \(requests.proxy) \(state)\(since): they are refused; \(problem)", .red)
    }

    private static func lines(_ flows: FlowStatus) -> [Table.Cell] {
        let records = "\(Words.count(flows.records, "record")) of at most \(flows.limit)"
        var lines: [Table.Cell] = [
            "\(flows.mode), \(records); allowed flows: \(flows.leftOut) left out, \(flows.lost) lost"
        ]
        if let problem = flows.problem { lines.append(.init("allowed flows are not reported: \(problem)", .yellow)) }
        return lines
    }

    private static func text(_ tunnels: TunnelStatus) -> Table.Cell {
        let ends = tunnels.udpPorts.map { "udp/\($0)" } + tunnels.protocols.map { "protocol \($0)" }
        let list = ends.isEmpty ? "without a known port" : ends.joined(separator: ", ")
        let addresses = Words.count(tunnels.nodes, "address", "addresses")
        guard tunnels.guarded else { return .init("\(list): pods may send to them", .yellow) }
        return .init("\(list): dropped from pods to this node and to \(addresses) of other nodes")
    }

    /// What users must see: right below the answer to "healthy?".
    private static func warnings(_ status: StatusAnswer) -> [(title: Table.Cell, text: Table.Cell)] {
        var lines: [(title: Table.Cell, text: Table.Cell)] = status.problems.map { ("problem", .init($0, .red)) }
        for condition in status.conditions {
            lines.append(
                condition.isProblem
                    ? ("problem", .init(condition.message, .red)) : ("warning", .init(condition.message, .yellow)))
        }
        let count = status.manifests.warnings.count + (status.guardrails?.warnings.count ?? 0)
        if count > 0 {
            let policies = "\(Words.count(count, "policy", "policies")) \(count == 1 ? "is" : "are")"
            lines.append(("warning", .init("\(policies) NOT enforced, see below", .yellow)))
        }
        return lines
    }

    private static func text(_ sizes: TableSizes) -> String {
        """
        \(Words.count(sizes.endpoints, "endpoint")), \(Words.count(sizes.programs, "program")), \
        \(Words.count(sizes.rules, "rule")), \(Words.count(sizes.addresses, "address", "addresses")) in \
        \(Words.count(sizes.addressClasses, "class", "classes")), \
        \(Words.count(sizes.portClasses, "port class", "port classes"))
        """
    }

    private static func source(_ manifests: ManifestStatus, _ count: String) -> String {
        "\(count) from \(manifests.directory ?? "no directory")"
    }

    private static func lines(_ cluster: ClusterStatus) -> [Table.Cell] {
        var lines: [Table.Cell] = [.init(cluster.server)]
        if !cluster.complete {
            let before = cluster.keepsPrevious ? "what a previous run left" : "only guardrails"
            lines.append(.init("not all objects are known yet; in force: \(before)", .red))
        }
        for watch in cluster.watches {
            let text = "\(watch.resource): \(watch.phase), \(Words.count(watch.objects, "object"))"
            let isLate = watch.secondsSinceSign >= ClusterStatus.staleSeconds
            let age = isLate || watch.error != nil ? ", last heard \(duration(Int(watch.secondsSinceSign))) ago" : ""
            let error = watch.error.map { ", failed \(watch.failures)x: \($0)" } ?? ""
            lines.append(.init(text + age + error, isLate ? .red : watch.error == nil ? nil : .yellow))
        }
        return lines
    }

    private static func problems(_ cluster: ClusterStatus?) -> String {
        guard let problems = cluster?.problems, !problems.isEmpty else { return "" }
        let lines = problems.map { "  \(Terminal.paint("\($0)", .red))\n" }.joined()
        return "\nobjects of the API server without effect:\n" + lines
    }

    private static func lines(_ policies: PolicyStatus) -> [Table.Cell] {
        var lines: [Table.Cell] = ["\(policies.count) in force, \(policies.audited) of them in audit"]
        if policies.wouldDeny > 0 {
            let packets = Words.count(Int(clamping: policies.wouldDeny), "packet")
            lines.append(.init("\(packets) passed that a policy in audit would deny", .yellow))
        }
        if policies.partial > 0 {
            lines.append(.init("\(policies.partial) partly not understood, and denying to be safe", .red))
        }
        if policies.unknownEndpoints > 0 {
            let count = policies.unknownEndpoints
            let pods = Words.count(count, "pod")
            lines.append(.init("guardrails that select all pods apply to \(pods) without a known Pod object", .yellow))
        }
        let filtered = policies.judgesOwnNode ? "filtered" : "not filtered"
        lines.append("pod to own node: \(filtered) (\(policies.ownNodeReason))")
        return lines
    }

    private static func lines(_ attachments: AttachmentStatus?, _ plugin: PluginStatus?) -> [Table.Cell] {
        var lines: [Table.Cell] = []
        if let problem = plugin?.problem {
            lines.append(.init("plugin not installed: \(problem)", .red))
        } else if let plugin {
            lines.append("plugin in \(plugin.configuration ?? "no configuration"), added \(plugin.installs)x")
        }
        guard let attachments else { return lines }
        lines.append("\(Words.count(attachments.count, "pod")) reported by the container runtime")
        if attachments.held > 0 {
            let text = "\(attachments.held) of them denied everything: their Pod objects are not known yet"
            lines.append(.init(text, .yellow))
        }
        if attachments.unjudged > 0 {
            let text = "\(attachments.unjudged) of them unprotected: their Pod objects are not known yet"
            lines.append(.init(text, .red))
        }
        return lines
    }

    private static func lines(_ datapath: DatapathStatus) -> [Table.Cell] {
        var lines: [Table.Cell] = [state(datapath), .init(because(datapath.reason))]
        if datapath.repaired > 0 {
            lines.append(.init("\(Words.count(datapath.repaired, "change")) by others repaired", .yellow))
        }
        if let reason = datapath.notReplaced {
            lines.append(.init("another datapath also judges, because it could not be removed: \(reason)", .red))
        }
        return lines
    }

    private static func because(_ reason: String) -> String {
        reason.hasPrefix("--") ? "because of \(reason)" : "because \(reason)"
    }

    private static func state(_ datapath: DatapathStatus) -> Table.Cell {
        switch datapath.state {
        case .programmed:
            let last = "last \(Words.count(datapath.lastWords, "word")) in \(datapath.lastMicroseconds) µs"
            let batches = Words.count(datapath.batches, "batch", "batches")
            return .init("\(datapath.kind), programmed, \(batches), \(last)", .green)
        case .retrying:
            let again = datapath.retryInSeconds.map { ", again in \(Int($0.rounded(.up))) s" } ?? ""
            return .init("\(datapath.kind), failed \(datapath.failures)x\(again): \(datapath.error ?? "")", .red)
        }
    }

    private static func overLimit(_ limits: LimitStatus) -> String {
        var text = limits.unprotected.map { "not protected, the tables are full: \($0)\n" }.joined()
        if limits.deniedPrograms > 0 {
            text += "\(Words.count(limits.deniedPrograms, "program")) too large: everything is denied\n"
        }
        return text.isEmpty ? "" : "\n" + Terminal.paint(text, .red)
    }

    private static func problems(_ bridges: BridgeStatus?) -> String {
        let text = (bridges?.problems ?? []).map { "not enforced within bridges: \($0)\n" }.joined()
        return text.isEmpty ? "" : "\n" + Terminal.paint(text, .red)
    }

    private static func problems(_ manifests: ManifestStatus) -> String {
        var text = ""
        if !manifests.problems.isEmpty {
            text += "\nrefused; the previous versions stay in force:\n"
            text += manifests.problems.map { "  \(Terminal.paint("\($0)", .red))\n" }.joined()
        }
        let isWarning = Set(manifests.warnings)
        if !isWarning.isEmpty {
            text += "\nNOT enforced:\n" + manifests.warnings.map { "  \(Terminal.paint($0, .yellow))\n" }.joined()
        }
        let notices = manifests.notices.filter { !isWarning.contains($0) }
        if !notices.isEmpty { text += "\nnotices:\n" + notices.map { "  \($0)\n" }.joined() }
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
