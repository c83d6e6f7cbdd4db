// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Describes a pod with every policy that selects it, or a policy with every pod that it selects.",
        subcommands: [DescribePodCommand.self, DescribePolicyCommand.self])
}

struct DescribePodCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pod",
        abstract: "Describes a pod: its place, the policies that select it in order of evaluation, and their peers.",
        aliases: ["pods", "po"])

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    @OptionGroup var names: PodNameOptions

    @Argument(
        help: ArgumentHelp("The pod, as namespace/name or name.", valueName: "pod"), completion: DaemonNames.pods)
    var pod: String

    func run() async throws {
        let answer = try await Self.ask(socket, pod, namespace: names.namespace)
        try output.print(answer) { pod in
            var outline = Outline()
            outline.add(pod)
            return outline.text
        }
    }

    static func ask(_ socket: SocketOptions, _ pod: String, namespace: String?) async throws -> PodDescription {
        let name = PodNameOptions.qualified(pod, in: namespace)
        return try await socket.client.ask(PodDescription.self, .get, .describe, query: [("pod", name)])
    }
}

struct DescribePolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Describes a policy: its rules, what its selectors select, and what it has counted.",
        aliases: ["policies", "netpol"])

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    @Option(
        name: .shortAndLong, help: "The namespace of a policy that is named without one.",
        completion: DaemonNames.namespaces)
    var namespace: String?

    @Argument(
        help: ArgumentHelp(
            "The policy, as name, namespace/name, kind/name or kind/namespace/name.", valueName: "policy"),
        completion: DaemonNames.policies)
    var policy: String

    func run() async throws {
        try await Self.run(socket, output, policy, namespace: namespace)
    }

    /// Prints the description of every policy with a name.
    static func run(
        _ socket: SocketOptions, _ output: OutputOptions, _ policy: String, namespace: String?
    ) async throws {
        guard var question = PolicyQuestion(policy) else {
            throw ValidationError("'\(policy)' is not name, namespace/name, kind/name or kind/namespace/name")
        }
        if question.namespace == nil { question.namespace = namespace }
        let answer = try await socket.client.ask(
            PolicyDescriptionsAnswer.self, .get, .describe, query: [("policy", question.description)])
        try output.print(answer) { answer in
            var outline = Outline()
            for (index, policy) in answer.policies.enumerated() {
                if index > 0 { outline.skip() }
                outline.add(policy)
            }
            return outline.text
        }
    }
}
