// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterInventory
import LeastPrivilege

struct SuggestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suggest",
        abstract: "Suggests NetworkPolicies that allow what was seen, and nothing else.",
        usage: """
            bulkheadctl suggest NAMESPACE[/WORKLOAD] --kubeconfig FILE [--flows FILE …]
            bulkheadctl suggest NAMESPACE[/WORKLOAD] -f DIR [--flows FILE …]
            """,
        discussion: """
            Reads the flows that this node's daemon has recorded, or files with the lines of 'bulkheadctl flows -o json', \
            of as many nodes as there are; a flow counts once. Pods and their labels come from the cluster or from \
            manifests.

            Prints one NetworkPolicy for each workload, in audit: it denies nothing, and reports what it would deny. \
            Comments say what the policies close. Before anything is printed, they are tried on the cluster: if one of \
            the seen flows would be denied, the command fails.
            """)

    @Argument(help: ArgumentHelp("A namespace, or one workload of it.", valueName: "namespace[/workload]"))
    var target: String

    @Option(
        help: ArgumentHelp(
            """
            Lines of 'bulkheadctl flows -o json'; - reads standard input. May be repeated. Without it: the flows of \
            this node's daemon.
            """, valueName: "file"),
        completion: .file())
    var flows: [String] = []

    @Option(
        help: ArgumentHelp(
            "Only flows that the daemon has recorded since this moment: a duration (10m, 24h), or RFC 3339.",
            valueName: "time"))
    var since: String?

    @Flag(help: "Write policies that deny what they do not allow, instead of policies in audit.")
    var enforce = false

    @Option(
        help: ArgumentHelp(
            "Allow IPv4 addresses outside the cluster by prefixes of this length.", valueName: "8...32"))
    var ipv4Prefix = 32

    @Option(
        help: ArgumentHelp(
            "Allow IPv6 addresses outside the cluster by prefixes of this length.", valueName: "16...128"))
    var ipv6Prefix = 128

    @OptionGroup(title: "The cluster") var source: InventoryOptions
    @OptionGroup var socket: SocketOptions

    func validate() throws {
        guard (8...32).contains(ipv4Prefix) else { throw ValidationError("--ipv4-prefix is from 8 to 32") }
        guard (16...128).contains(ipv6Prefix) else { throw ValidationError("--ipv6-prefix is from 16 to 128") }
        if since != nil, !flows.isEmpty { throw ValidationError("--since asks the daemon, and excludes --flows") }
        let parts = target.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw ValidationError("'\(target)' is neither NAMESPACE nor NAMESPACE/WORKLOAD")
        }
    }

    func run() async throws {
        let seen = try await read()
        let inventory = try await source.inventory()
        let parts = target.split(separator: "/").map(String.init)
        let request = SuggestionRequest(
            namespace: parts[0], workload: parts.count > 1 ? parts[1] : nil, isEnforced: enforce, prefixV4: ipv4Prefix,
            prefixV6: ipv6Prefix)
        let suggestion = try Suggestion(request, flows: seen.allowed, inventory: inventory)
        if let wrong = suggestion.effect.denied.first {
            throw CommandFailure(
                "nothing is suggested, because \(Words.count(suggestion.effect.denied.count, "seen flow")) would be denied: "
                    + "\(wrong.flow): \(wrong.reason)")
        }
        Terminal.write(SuggestionText(suggestion, seen, isEnforced: enforce).yaml)
    }

    private func read() async throws -> SeenFlows {
        var seen = SeenFlows()
        for path in flows { try seen.read(path) }
        guard flows.isEmpty else { return seen }
        let query = since.map { [("since", $0)] } ?? []
        try await FlowStream(client: socket.client, path: .flows, query: query, follows: false).read { bytes in
            try seen.add(bytes)
            return true
        }
        return seen
    }
}
