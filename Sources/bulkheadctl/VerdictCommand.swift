// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterVerdicts
import CommandOptions
import ControlProtocol
import NetworkTypes
import PolicyModel

struct VerdictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verdict",
        abstract: "Says whether FROM may reach TO, and which rule decides.",
        usage: """
            bulkheadctl verdict FROM TO PORT/PROTOCOL
            bulkheadctl verdict FROM TO PORT/tcp --method GET --path /admin --host api --header x-token=abc
            bulkheadctl verdict --kernel FROM TO PORT/PROTOCOL
            bulkheadctl verdict --manifests DIR FROM TO PORT/PROTOCOL
            bulkheadctl verdict --manifests DIR --queries FILE
            """,
        discussion: """
            FROM and TO are namespace/pod, pod (in the namespace of -n), or an address. PORT/PROTOCOL is 80/tcp, \
            53/udp, 80 (tcp), icmp, or /47 for protocol number 47. Port names are not resolved. Policy judges the \
            backend pod to which a Service sends a packet: if TO is svc/NAME, svc/NAMESPACE/NAME or a Service's \
            address, the answer is about its pods. The daemon asks the API server for them, if it has the right.

            Calls the daemon, which decides both sides, each as its pod's node decides it; for pods of other nodes it \
            uses the policies that it knows itself. With --manifests no daemon is needed; a refused document then ends \
            the command with exit code 1, because a policy would be missing from the answer. Workloads (Deployment, \
            StatefulSet, …) stand for their pods, and pods without an address get one. --kubeconfig asks an API server \
            instead, and changes nothing there.

            Where an authorization policy reads HTTP requests, the verdict depends on the request, unless --method, \
            --path, --host or --header gives one. What is left out is GET, /, no host and no headers.

            --kernel asks this node's kernel as well: what it would do with the first packet of the flow, by what is \
            programmed there now. Nothing is sent. If the kernel and the daemon disagree, the exit code is 6.

            With --queries, each line of FILE is {"from":"shop/web","to":"shop/redis","protocol":"TCP","port":6379}, \
            and the answer to each is one line of JSON in the same order; a line that cannot be answered gives \
            {"error":"..."}, and the exit code is 1 at the end. The fields method, path, host and headers (an object) \
            give a request.

            The verdict is allow, deny, depends (on the request), or undecided: no side is known to deny, and what one \
            of them decides is not known, or neither end is a pod. The exit code is 0 for each of them, unless \
            --exit-code makes it 3 for deny, 4 for undecided and 5 for depends.
            """)

    @Argument(
        help: ArgumentHelp("The sender: namespace/pod or an address.", valueName: "from"),
        completion: DaemonNames.pods)
    var from: String?
    @Argument(
        help: ArgumentHelp("The receiver: namespace/pod or an address.", valueName: "to"),
        completion: DaemonNames.pods)
    var to: String?
    @Argument(help: ArgumentHelp("For example 80/tcp, 53/udp or icmp.", valueName: "port/protocol"))
    var port: String?

    @OptionGroup var asked: PodQuestionOptions

    @Option(
        help: ArgumentHelp("Answer each line of this file; - reads standard input.", valueName: "file"),
        completion: .file())
    var queries: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Decide as at this time of the past, by the daemon's journal: 10:05 (UTC, today or yesterday), \
            2026-01-02T10:05:00Z, 10m (ago), or '#123'.
            """,
            valueName: "time"),
        transform: TimeOption.parse)
    var at: TimeOption?

    @Flag(
        help: """
            Exit with 3 if the verdict (of any line) is deny, with 4 if it is undecided, and with 5 if it depends on \
            the request.
            """)
    var exitCode = false

    @OptionGroup var kernel: KernelOptions
    @OptionGroup(title: "Request") var request: RequestQuestionOptions
    @OptionGroup(title: "Settings of the daemons, with --manifests or --kubeconfig") var mesh: MeshOptions

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if at != nil, asked.isOffline {
            throw ValidationError("--at asks the daemon, and excludes --manifests and --kubeconfig")
        }
        if at != nil, kernel.isAsked { throw ValidationError("--at is about the past, --kernel about the present") }
        if queries != nil {
            if !asked.isOffline { throw ValidationError("--queries needs --manifests or --kubeconfig") }
            if kernel.isAsked { throw ValidationError("--queries and --kernel exclude each other") }
            if from != nil { throw ValidationError("--queries and FROM exclude each other") }
            if !request.question.isEmpty {
                throw ValidationError("--queries takes requests from its lines: they have method, path, host, headers")
            }
        } else {
            _ = try question()
        }
        if kernel.isAsked, asked.isOffline { throw KernelOptions.offlineError }
    }

    func run() async throws {
        if let queries {
            var bulk = BulkVerdict(cluster: try await asked.cluster(mesh).verdicts, namespace: asked.names.namespace)
            try bulk.run(queries)
            if bulk.errors > 0 {
                Terminal.complain("\(Words.count(bulk.errors, "line")) could not be answered")
                throw ExitStatus.failure.error
            }
            if exitCode, bulk.denials > 0 { throw ExitStatus.denied.error }
            if exitCode, bulk.dependent > 0 { throw ExitStatus.dependsOnRequest.error }
            return
        }
        let question = try question()
        let answer = asked.isOffline ? try await decide(question) : try await ask(question)
        try output.print(answer, text: Self.text)
        try kernel.finish(answer.kernel)
        if exitCode { try Self.leave(with: answer) }
    }

    /// Ends with the exit code of a verdict, unless it is allow.
    static func leave(with answer: VerdictAnswer) throws {
        if answer.verdict == Verdict.deny.rawValue { throw ExitStatus.denied.error }
        if answer.verdict == DirectionAnswer.undecided { throw ExitStatus.undecided.error }
        if answer.verdict == Verdict.dependsOnRequest.rawValue { throw ExitStatus.dependsOnRequest.error }
    }

    private func question() throws -> VerdictQuery {
        guard let from, let to, let port else { throw ValidationError("FROM, TO and PORT/PROTOCOL are needed") }
        return try asked.question(from: from, to: to, port: port, request)
    }

    private func decide(_ question: VerdictQuery) async throws -> VerdictAnswer {
        var cluster = try await asked.cluster(mesh)
        return try cluster.answer(question)
    }

    private func ask(_ question: VerdictQuery) async throws -> VerdictAnswer {
        var query = try question.parameters + request.parameters
        if kernel.isAsked { query.append(("kernel", "1")) }
        if let at { query.append(("at", at.parameter)) }
        do {
            return try await socket.client.ask(VerdictAnswer.self, .get, .verdict, query: query)
        } catch let refusal as Refusal {
            throw refusal.withHint(from: self.from, to: self.to)
        }
    }

    static func text(_ answer: VerdictAnswer) -> String {
        var head = Outline()
        head.add("\(answer.verdict)  \(answer.flow)", first: answer.verdict, color(answer.verdict))
        var table = Table("  side", "verdict", "pod", "reason")
        for (side, direction) in [("  egress", answer.egress), ("  ingress", answer.ingress)] {
            guard let direction else {
                table.add(.init(side), "-", "-", "not decided on this node")
                continue
            }
            // An end that is not a pod decides nothing.
            let isNobody = direction.kind == "noPod"
            let pod = direction.endpoint.map { direction.elsewhere == true ? "\($0) (other node)" : $0 }
            table.add(
                .init(side), isNobody ? "-" : .init(direction.verdict, color(direction.verdict)), .init(pod ?? "-"),
                .init(direction.reason))
        }
        var text = head.text + table.text
        if answer.verdict == Verdict.dependsOnRequest.rawValue {
            text += "ask about one request with --method, --path, --host and --header\n"
        }
        if let backends = answer.backends, backends.count > 1 { text += ExplainCommand.table(backends) }
        var end = Outline()
        if let note = answer.note { end.add("note: \(note)") }
        if let kernel = answer.kernel { end.add(kernel) }
        return text + end.text
    }

    static func color(_ verdict: String) -> Terminal.Color {
        switch verdict {
        case Verdict.allow.rawValue: .green
        case Verdict.deny.rawValue: .red
        default: .yellow
        }
    }
}

extension VerdictAnswer {
    init(_ decision: ClusterDecision) {
        self.init(
            flow: decision.flow.description, egress: DirectionAnswer(decision.egress),
            ingress: DirectionAnswer(decision.ingress), notes: decision.note.map { [$0] } ?? [])
    }
}

extension DirectionAnswer {
    init(_ direction: ClusterDirection) {
        self.init(
            verdict: direction.verdict, kind: direction.kind.rawValue, reason: direction.reason,
            endpoint: direction.endpoint, identity: direction.identity, wouldDeny: direction.wouldDeny)
    }
}
