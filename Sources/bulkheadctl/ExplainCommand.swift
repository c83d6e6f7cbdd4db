// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandOptions
import ControlProtocol

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
            and the daemon disagree, the exit code is 6. With --manifests or --kubeconfig neither a daemon nor a kernel \
            is asked.
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

    @OptionGroup var asked: PodQuestionOptions

    @Flag(
        help: "Exit with 3 if the verdict is deny, with 4 if it is undecided, and with 5 if it depends on the request.")
    var exitCode = false

    @OptionGroup var report: BundleOptions
    @OptionGroup(title: "Request") var request: RequestQuestionOptions
    @OptionGroup(title: "Settings of the daemons, with --manifests or --kubeconfig") var mesh: MeshOptions

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        _ = try question()
        if report.bundle != nil, asked.isOffline { throw KernelOptions.offlineError }
    }

    func run() async throws {
        let question = try question()
        let answer: ExplainAnswer
        if asked.isOffline {
            var cluster = try await asked.cluster(mesh)
            answer = try cluster.explain(question)
        } else {
            answer = try await ask(question)
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
        try asked.question(from: from, to: to, port: port, request)
    }

    static func text(_ answer: ExplainAnswer) -> String {
        let verdict = answer.verdict
        var outline = Outline()
        outline.add(
            "\(verdict.verdict)  \(verdict.flow)", first: verdict.verdict, VerdictCommand.color(verdict.verdict))
        let sides = [("egress", verdict.egress, answer.egress), ("ingress", verdict.ingress, answer.ingress)]
        for (side, decision, steps) in sides {
            guard let decision else { continue }
            outline.skip()
            outline.add(side, decision, steps)
        }
        var text = outline.text
        if let backends = answer.backends { text += "\n" + table(backends) }
        var end = Outline()
        if let note = verdict.note {
            end.skip()
            end.add("note: \(note)")
        }
        if let kernel = verdict.kernel {
            end.skip()
            end.add(kernel)
        }
        return text + end.text
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

extension Outline {
    fileprivate mutating func add(_ side: String, _ decision: DirectionAnswer, _ steps: ExplainedDirection?) {
        let pod = decision.endpoint.map { " of \($0)" } ?? ""
        let place = decision.elsewhere == true ? " (other node)" : ""
        let isNobody = decision.kind == "noPod"
        let verdict = isNobody ? "-" : decision.verdict
        add(
            "\(side)\(pod)\(place): \(verdict)", last: verdict,
            isNobody ? nil : VerdictCommand.color(decision.verdict))
        for tier in steps?.tiers ?? [] { add(tier) }
        if let audit = steps?.audit {
            add("with the policies in audit enforced:", depth: 1)
            for tier in audit { add(tier) }
        }
        add("= \(decision.reason)", depth: 1)
    }

    private mutating func add(_ tier: ExplainedTier) {
        add("\(tier.tier): \(tier.text)", depth: 1)
        for rule in tier.rules { add("\(rule.matches ? "+" : "-") \(rule.text)", depth: 2) }
        if let rest = tier.rest { add(". \(rest)", depth: 2) }
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
