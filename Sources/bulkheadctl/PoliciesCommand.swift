// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct PoliciesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policies",
        abstract: "Lists the policies, their origin, the pods that they select on this node, and refused documents.",
        discussion: "With a name: that policy in words, with what its selectors select and what its rules have counted."
    )

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var list: ListOptions

    @Argument(
        help: ArgumentHelp(
            "A policy to describe, as name, namespace/name, kind/name or kind/namespace/name.", valueName: "policy"),
        completion: DaemonNames.policies)
    var policy: String?

    func run() async throws {
        if let policy { return try await DescribePolicyCommand.run(socket, output, policy, namespace: list.namespace) }
        var answer = try await socket.client.ask(PoliciesAnswer.self, .get, .policies)
        answer.policies.removeAll { !list.includes(namespace: $0.namespace) }
        try output.print(answer) { Self.text($0, isWide: output.isWide) }
        if answer.policies.isEmpty { await output.explainEmpty("no policy is known", list, socket.client) }
    }

    static func text(_ answer: PoliciesAnswer, isWide: Bool = false) -> String {
        let titles = ["KIND", "NAMESPACE", "NAME", "TIER", "STATE", "ENDPOINTS", "AGE", "CHANGED"]
        var table = Table(titles: isWide ? titles + ["SUBJECT", "ORIGIN", "SELECTS"] : titles)
        for policy in answer.policies {
            var cells: [Table.Cell] = [
                .init(policy.kind), .init(policy.namespace.isEmpty ? "-" : policy.namespace), .init(policy.name),
                .init(tier(policy)), state(policy), "\(policy.endpoints.count)",
                .init(Age.text(policy.createdAt)), .init(Age.text(policy.changedAt)),
            ]
            if isWide {
                let endpoints = policy.endpoints.isEmpty ? "-" : policy.endpoints.joined(separator: ",")
                cells += [.init(policy.subject ?? "-"), .init(policy.origin), .init(endpoints)]
            }
            table.add(row: cells)
        }
        let partial = answer.policies.flatMap { policy in
            (policy.partial ?? []).map { "  \(policy.kind) \(policy.name): \(Terminal.paint($0, .red))\n" }
        }.joined()
        let refused = answer.problems.map { "  \(Terminal.paint("\($0)", .red))\n" }.joined()
        return table.text
            + (partial.isEmpty ? "" : "\nnot understood, so denied to be safe:\n\(partial)")
            + (refused.isEmpty ? "" : "\nrefused:\n\(refused)")
    }

    private static func tier(_ policy: PolicyAnswer) -> String {
        guard let tier = policy.tier else { return "-" }
        return policy.priority.map { "\(tier) \($0)" } ?? tier
    }

    private static func state(_ policy: PolicyAnswer) -> Table.Cell {
        if !policy.problems.isEmpty { return .init("newer version refused", .red) }
        if policy.partial != nil { return .init("partial", .red) }
        switch policy.state {
        case .audited: return .init("audit", .yellow)
        case .enforced: return .init("enforced", .green)
        case .selectsNoEndpoint: return "no pod here"
        }
    }
}
