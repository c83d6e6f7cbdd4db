// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Reachability

struct ProveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Proves that flows are denied or allowed, for every address, port and protocol.",
        usage: """
            bulkheadctl prove -f DIR --deny FROM TO [PORTS]
            bulkheadctl prove -f DIR --allow FROM TO [PORTS]
            bulkheadctl prove -f DIR --invariants FILE
            """,
        discussion: """
            FROM and TO are ends as for 'reach', PORTS a list such as 6379,53/udp (default: every port and protocol). A \
            claim that is wrong is shown with one flow that contradicts it, and the exit code is 3; so it is if no flow \
            is between the ends, because the claim then says nothing. What depends on the request is neither denied nor \
            allowed. Not part of a claim: a pod and itself, and flows from a pod's own node, which no policy denies.

            FILE is YAML:

            invariants:
            - name: only the shop reaches redis
              deny: {from: outside, to: shop/redis}
            - name: web reaches redis
              allow: {from: shop/web, to: shop/redis, ports: 6379}
            """)

    @Flag(help: "Claim that every flow is denied.")
    var deny = false

    @Flag(help: "Claim that every flow is allowed.")
    var allow = false

    @Argument(help: ArgumentHelp("The source.", valueName: "from"))
    var from: String?

    @Argument(help: ArgumentHelp("The destination.", valueName: "to"))
    var to: String?

    @Argument(help: ArgumentHelp("For example 6379 or 80,443,53/udp.", valueName: "ports"))
    var ports: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Prove the claims of this file; - reads standard input.", valueName: "file"),
        completion: .file())
    var invariants: String?

    @Option(name: .shortAndLong, help: "Namespace of names without one.")
    var namespace = "default"

    @OptionGroup var source: InventoryOptions

    @Option(
        name: [.customShort("o"), .long],
        help: """
            text, for people; wide, with nothing cut; json or yaml, for programs; sarif (SARIF 2.1.0); junit, where \
            each claim is a test.
            """)
    var output = ProofFormat.text

    func validate() throws {
        if invariants != nil {
            guard !deny, !allow, from == nil else {
                throw ValidationError("--invariants excludes a claim on the command line")
            }
            return
        }
        guard deny != allow else { throw ValidationError("either --deny or --allow is needed, or --invariants") }
        guard from != nil, to != nil else { throw ValidationError("FROM and TO are needed") }
        do { _ = try claims() } catch { throw ValidationError("\(error)") }
    }

    private func claims() throws -> [Invariant] {
        if let invariants { return try Invariant.read(invariants, namespace: namespace) }
        let claim = ReachClaim(
            deny ? .deny : .allow, from: try ReachEnd(from ?? "", namespace: namespace),
            to: try ReachEnd(to ?? "", namespace: namespace), ports: try ports.map(PortSpan.read) ?? PortSpan.all)
        return [Invariant(name: claim.description, claim: claim, line: nil)]
    }

    func run() async throws {
        let claims = try claims()
        var map = try ReachabilityMap(try await source.inventoryWithPods())
        let answer = ProofAnswer(claims: try claims.map { try $0.answer(&map) })
        if let format = output.answer {
            try format.print(answer, text: Self.text)
        } else {
            let findings = ProofFindings(answer, file: invariants)
            Terminal.write(
                output == .sarif
                    ? findings.report.rendered(.sarif, version: BuildVersion.text) : findings.junit.xml)
        }
        if !answer.proven { throw ExitStatus.denied.error }
    }

    static func text(_ answer: ProofAnswer) -> String {
        var text = ""
        for claim in answer.claims {
            let color: Terminal.Color = claim.result == ClaimAnswer.proven ? .green : .red
            text += "\(Terminal.paint(claim.result, color))  \(Words.line(claim.name))\n"
            if claim.result == ClaimAnswer.empty { text += "  \(ClaimAnswer.emptyText)\n" }
            guard let example = claim.counterexample else { continue }
            text += "  \(Words.line(example.text))\n"
            for reason in example.reasons { text += "    \(Words.line(reason))\n" }
        }
        let proven = answer.claims.count { $0.result == ClaimAnswer.proven }
        if answer.claims.count > 1 { text += "\(proven) of \(Words.count(answer.claims.count, "claim")) proven\n" }
        return text
    }
}
