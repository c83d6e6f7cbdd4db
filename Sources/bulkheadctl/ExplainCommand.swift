// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterVerdicts
import CommandOptions
import ControlProtocol
import ControlViews
import PolicyModel
import PolicyResolver

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Says why FROM may reach TO or not: each tier, each rule, what matched, and what the kernel says.",
        usage: """
            bulkheadctl explain FROM TO PORT/PROTOCOL
            bulkheadctl explain FROM TO PORT/tcp --method GET --path /admin
            bulkheadctl explain --manifests DIR FROM TO PORT/PROTOCOL
            """,
        discussion: """
            FROM, TO and PORT/PROTOCOL are as for 'verdict'. The answer lists the tiers in order of evaluation, with \
            the rules that were tried: which of their conditions the flow meets, and what the other end lacks. Of many \
            rules that do not match, those that nearly do are listed.

            The kernel of this node is asked as well, by what is programmed there now: eBPF runs its program on the \
            tables in force, and nftables rules are read back. Nothing is sent, and no counter changes. If the kernel \
            and the daemon disagree, the exit code is 6. With --manifests neither a daemon nor a kernel is asked.
            """)

    @Argument(
        help: ArgumentHelp("The sender: namespace/pod or an address.", valueName: "from"),
        completion: DaemonNames.pods)
    var from: String
    @Argument(
        help: ArgumentHelp("The receiver: namespace/pod or an address.", valueName: "to"),
        completion: DaemonNames.pods)
    var to: String
    @Argument(help: ArgumentHelp("For example 80/tcp, 53/udp or icmp.", valueName: "port/protocol"))
    var port: String

    @Option(
        help: ArgumentHelp("Decide by these manifests, without a daemon. May be repeated.", valueName: "dir"),
        completion: .directory)
    var manifests: [String] = []

    @Flag(help: "Continue although documents are refused.")
    var ignoreProblems = false

    @Option(
        name: .shortAndLong, help: "Namespace of pods that are named without one.",
        completion: DaemonNames.namespaces)
    var namespace = "default"

    @Flag(
        help: "Exit with 3 if the verdict is deny, with 4 if it is undecided, and with 5 if it depends on the request.")
    var exitCode = false

    @OptionGroup var report: BundleOptions
    @OptionGroup(title: "Request") var request: RequestQuestionOptions
    @OptionGroup(title: "Settings of the daemons, with --manifests") var mesh: MeshOptions

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        _ = try question()
        if report.bundle != nil, !manifests.isEmpty { throw KernelOptions.offlineError }
    }

    func run() async throws {
        let question = try question()
        let answer: ExplainAnswer
        if manifests.isEmpty {
            answer = try await ask(question)
        } else {
            var cluster = try OfflineCluster(
                manifests, ignoringProblems: ignoreProblems, settings: PolicySettings(mesh: mesh.settings))
            answer = try cluster.explain(question)
        }
        try output.print(answer, text: Self.text)
        try report.finish(answer.verdict.kernel)
        if exitCode { try VerdictCommand.leave(with: answer.verdict) }
    }

    private func ask(_ question: VerdictQuery) async throws -> ExplainAnswer {
        let query = try question.parameters + request.parameters
        do {
            return try await socket.client.ask(ExplainAnswer.self, .get, .explain, query: query)
        } catch let refusal as Refusal {
            throw refusal.withHint(from: from, to: to)
        }
    }

    private func question() throws -> VerdictQuery {
        do {
            var query = try VerdictQuery(from: from, to: to, port: port, namespace: namespace)
            try query.ask(request.question)
            return query
        } catch {
            throw ValidationError("\(error)")
        }
    }

    static func text(_ answer: ExplainAnswer) -> String {
        let verdict = answer.verdict
        let flow = VisibleText.line(verdict.flow)
        var text = "\(Terminal.paint(verdict.verdict, VerdictCommand.color(verdict.verdict)))  \(flow)\n"
        let sides = [("egress", verdict.egress, answer.egress), ("ingress", verdict.ingress, answer.ingress)]
        for (side, decision, steps) in sides {
            guard let decision else { continue }
            text += "\n" + lines(side, decision, steps)
        }
        if let backends = answer.backends { text += "\n" + table(backends) }
        text += verdict.note.map { "\nnote: \(VisibleText.line($0))\n" } ?? ""
        return text + (verdict.kernel.map { "\n\($0.text)" } ?? "")
    }

    private static func lines(_ side: String, _ decision: DirectionAnswer, _ steps: ExplainedDirection?) -> String {
        let pod = decision.endpoint.map { " of \(VisibleText.line($0))" } ?? ""
        let place = decision.elsewhere == true ? " (other node)" : ""
        let isNobody = decision.kind == "noPod"
        let color = isNobody ? nil : VerdictCommand.color(decision.verdict)
        let verdict = isNobody ? "-" : Terminal.paint(decision.verdict, color)
        var text = "\(side)\(pod)\(place): \(verdict)\n"
        for tier in steps?.tiers ?? [] { text += lines(tier) }
        if let audit = steps?.audit {
            text += "  with the policies in audit enforced:\n"
            for tier in audit { text += lines(tier) }
        }
        return text + "  = \(VisibleText.line(decision.reason))\n"
    }

    private static func lines(_ tier: ExplainedTier) -> String {
        var text = "  \(VisibleText.line("\(tier.tier): \(tier.text)"))\n"
        for rule in tier.rules { text += "    \(rule.matches ? "+" : "-") \(VisibleText.line(rule.text))\n" }
        return text + (tier.rest.map { "    . \(VisibleText.line($0))\n" } ?? "")
    }

    /// The backend pods of a Service.
    static func table(_ backends: [BackendAnswer]) -> String {
        var table = Table("backend", "port", "verdict", "reason")
        for backend in backends {
            table.add(
                .init(backend.pod), .init("\(backend.port)"),
                .init(backend.verdict, VerdictCommand.color(backend.verdict)), .init(backend.reason))
        }
        return table.text
    }
}

extension VerdictQuery {
    /// The question as parameters of `GET /v1/verdict`.
    var parameters: [(String, String)] {
        get throws {
            guard let from = from.flow else { throw serviceError }
            let receiver: String =
                switch to {
                case .flow(let end): "\(end)"
                case .service(let namespace, let name): "svc/\(namespace)/\(name)"
                }
            var query = [("from", "\(from)"), ("to", receiver), ("protocol", "\(ipProtocol.rawValue)")]
            if let port { query.append(("port", "\(port)")) }
            return query
        }
    }
}
