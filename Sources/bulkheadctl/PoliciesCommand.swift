// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct PoliciesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policies",
        abstract: "Lists the policies, where they come from, whom they select here, and what is refused.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try output.print(try await socket.client.ask(PoliciesAnswer.self, .get, .policies), text: Self.text)
    }

    static func text(_ answer: PoliciesAnswer) -> String {
        var table = Table("KIND", "NAMESPACE", "NAME", "TIER", "STATE", "ENDPOINTS", "SUBJECT", "ORIGIN")
        for policy in answer.policies {
            table.add(
                .init(policy.kind), .init(policy.namespace.isEmpty ? "-" : policy.namespace), .init(policy.name),
                .init(tier(policy)), state(policy), "\(policy.endpoints.count)", .init(policy.subject ?? "-"),
                .init(policy.origin))
        }
        let partial = answer.policies.flatMap { policy in
            (policy.partial ?? []).map { "  \(policy.kind) \(policy.name): \(Terminal.paint($0, .red))\n" }
        }.joined()
        let refused = answer.problems.map { "  \(Terminal.paint("\($0)", .red))\n" }.joined()
        return table.text + (partial.isEmpty ? "" : "\nnot understood, denied to be safe:\n\(partial)")
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
        case .selectsNoEndpoint: return "selects nothing here"
        }
    }
}
