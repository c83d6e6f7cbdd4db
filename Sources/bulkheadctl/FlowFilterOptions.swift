// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

/// Which records to show, for each command that shows some.
struct FlowFilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only the newest recorded ones, so many.", valueName: "count"))
    var last: Int?

    @Option(
        help: ArgumentHelp(
            "Only recorded ones since this moment: a duration (10m, 1h30m), seconds, or RFC 3339.", valueName: "time"))
    var since: String?

    @Option(
        name: [.customShort("n"), .long], help: ArgumentHelp("Only from or to this namespace.", valueName: "name"),
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

    @Option(name: .customLong("protocol"), help: ArgumentHelp("tcp, udp, sctp, icmp or a number.", valueName: "name"))
    var ipProtocol: String?

    @Option(help: ArgumentHelp("forwarded, dropped or audit.", valueName: "verdict"))
    var verdict: String?

    @Option(
        help: ArgumentHelp("Only what this policy decided: a name, or namespace/name.", valueName: "policy"),
        completion: DaemonNames.policies)
    var policy: String?

    @Option(
        help: ArgumentHelp(
            "Only for this reason: \(FlowReason.names.joined(separator: ", ")).", valueName: "reason"))
    var reason: String?

    /// Whether the options request recorded ones.
    var asksForRecords: Bool { last != nil || since != nil }

    /// As parameters of a call.
    var parameters: [(String, String)] {
        let values: [(String, String?)] = [
            ("last", last.map { "\($0)" }), ("since", since), ("namespace", namespace), ("pod", pod), ("from", from),
            ("to", to), ("port", port), ("protocol", ipProtocol), ("verdict", verdict), ("policy", policy),
            ("reason", reason),
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
