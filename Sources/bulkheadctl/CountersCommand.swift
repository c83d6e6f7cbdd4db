// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct CountersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counters", abstract: "Shows the packets and bytes that each rule decided.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    @Flag(help: "Leave out rules that have decided nothing yet.")
    var nonZero = false

    func run() async throws {
        var answer = try await socket.client.ask(CountersAnswer.self, .get, .counters)
        if nonZero { answer.rules.removeAll { $0.packets == 0 } }
        try output.print(answer, text: Self.text)
    }

    private static func rule(_ counter: RuleCounterAnswer) -> Table.Cell {
        let end = counter.gone == true ? " (no longer in force)" : ""
        return counter.audit == true
            ? .init("would deny: \(counter.rule)\(end)", .yellow) : .init("\(counter.rule)\(end)")
    }

    static func text(_ answer: CountersAnswer) -> String {
        var rules = Table("PACKETS", "BYTES", "DIRECTION", "DECIDED BY")
        for counter in answer.rules {
            rules.add(
                "\(counter.packets)", "\(counter.bytes)", .init(counter.rule.direction ?? "both"),
                Self.rule(counter))
        }
        let datapath = answer.datapath
        var others = Table("FOR ANOTHER REASON, OR NOT TOLD", "COUNT")
        others.add("spoofed source address", "\(datapath.spoofed)")
        others.add("transport header not found", "\(datapath.unparsable)")
        others.add("tables contradict themselves", "\(datapath.inconsistent)")
        others.add("tunnel packet from a pod to a node", "\(datapath.tunnel)")
        others.add("source-routed packet from a pod", "\(datapath.sourceRouted)")
        others.add("ICMP error about a flow of others", "\(datapath.unrelatedErrors)")
        others.add("IP header not readable", "\(datapath.malformed)")
        others.add("passed, would be denied by policy in audit", "\(datapath.audited)")
        others.add("events suppressed (same flow, rate limit)", "\(datapath.suppressedEvents)")
        others.add("events lost", "\(datapath.lostEvents)")
        return rules.text + "\n" + others.text
    }
}
