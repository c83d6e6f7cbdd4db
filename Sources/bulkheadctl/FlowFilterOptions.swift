// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

/// Which records to show, for each command that shows some.
struct FlowFilterOptions: ParsableArguments {
    @Option(
        parsing: .unconditional, help: ArgumentHelp("Only the newest recorded ones, so many.", valueName: "count"))
    var last: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Only recorded ones since this moment: a duration (10m, 1h30m), seconds, 10:05 (UTC), or RFC 3339.",
            valueName: "time"), transform: TimeOption.parse)
    var since: TimeOption?

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp(
            "Only from or to this namespace, in which pods without one are then meant (else default).",
            valueName: "name"),
        completion: DaemonNames.namespaces)
    var namespace: String?

    @Option(
        help: ArgumentHelp(
            "Only from or to this pod: a name, namespace/name, an address or a CIDR.", valueName: "pod"),
        completion: DaemonNames.pods)
    var pod: String?

    @Option(
        help: ArgumentHelp("Only from this pod, address or CIDR.", valueName: "end"), completion: DaemonNames.pods)
    var from: String?

    @Option(
        help: ArgumentHelp("Only to this pod, address or CIDR.", valueName: "end"), completion: DaemonNames.pods)
    var to: String?

    @Option(help: ArgumentHelp("Only to this destination port.", valueName: "number"))
    var port: String?

    @Option(
        name: .customLong("protocol"), help: ArgumentHelp("tcp, udp, sctp, icmp or a number.", valueName: "name"),
        completion: .list(["tcp", "udp", "sctp", "icmp"]))
    var ipProtocol: String?

    @Option(
        help: ArgumentHelp("forwarded, dropped or audit.", valueName: "verdict"),
        completion: .list(FlowVerdict.allCases.map { $0.rawValue.lowercased() }))
    var verdict: String?

    @Option(
        help: ArgumentHelp("Only what this policy decided: a name, or namespace/name.", valueName: "policy"),
        completion: DaemonNames.policies)
    var policy: String?

    @Option(
        help: ArgumentHelp(
            "Only for this reason: \(FlowReason.names.joined(separator: ", ")).", valueName: "reason"),
        completion: .list(FlowReason.names))
    var reason: String?

    /// Whether the options request recorded ones.
    var asksForRecords: Bool { last != nil || since != nil }

    /// Whether the options leave out any record by what it is about.
    var isSelective: Bool { parameters.contains { $0.0 != "last" && $0.0 != "since" } }

    /// The ends in the filters, as the daemon gets them.
    var ends: [(option: String, end: String?)] {
        [("--pod", qualified(pod)), ("--from", qualified(from)), ("--to", qualified(to))]
    }

    /// A pod without a namespace is meant in that of -n, as in all commands; addresses have none.
    private func qualified(_ end: String?) -> String? {
        guard let end, case .name(let name)? = FlowFilter.End(end) else { return end }
        return PodNameOptions.qualified(name, in: namespace)
    }

    /// As parameters of a call.
    var parameters: [(String, String)] {
        let values: [(String, String?)] = [
            ("last", last.map { "\($0)" }), ("since", since?.parameter), ("namespace", namespace),
            ("pod", qualified(pod)),
            ("from", qualified(from)), ("to", qualified(to)), ("port", port), ("protocol", ipProtocol),
            ("verdict", verdict), ("policy", policy), ("reason", reason),
        ]
        return values.compactMap { name, value in value.map { (name, $0) } }
    }

    /// The daemon would refuse the same, with the exit code of a failure.
    func validate() throws {
        let values = Dictionary(parameters, uniquingKeysWith: { $1 })
        do throws(FlowFilterError) {
            _ = try StreamOptions(values, recorded: true, now: RFC3339.nowNanoseconds)
        } catch {
            let text = "\(error)"
            let name = text.drop { $0 == "'" }.prefix { $0 != "'" }
            throw ValidationError("--\(name)\(text.dropFirst(name.count + 2))")
        }
    }
}

extension OutputOptions {
    /// Says, for people, why a table has no rows. Beside the answer: what reads that finds it empty.
    func explainEmpty(_ what: String, _ list: ListOptions, _ client: ControlClient) async {
        guard isForPeople else { return }
        for line in await NearMisses(client: client).lines(none: what, list) { Terminal.complain(line) }
    }
}

extension FlowFilterOptions {
    /// Says that nothing was shown, and what was probably meant. Beside the answer: what reads that finds it empty.
    func explainEmpty(_ record: String, _ client: ControlClient) async {
        let hints = await NearMisses(client: client).lines(self)
        Terminal.complain(isSelective ? "no recorded \(record) matches the filters" : "no \(record) is recorded")
        for hint in hints { Terminal.complain(hint) }
    }
}
