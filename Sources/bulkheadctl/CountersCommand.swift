// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import ControlViews

struct CountersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counters", abstract: "Shows the packets and bytes that each rule decided, and the requests.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var list: ListOptions

    @Flag(help: "Leave out rules that have decided nothing yet.")
    var nonZero = false

    func run() async throws {
        var answer = try await socket.client.ask(CountersAnswer.self, .get, .counters)
        if nonZero { answer.rules.removeAll { $0.packets == 0 } }
        if let namespace = list.namespace {
            answer.rules.removeAll { !$0.rule.isAbout(namespace: namespace) }
            answer.requests?.rules.removeAll { !$0.rule.isAbout(namespace: namespace) }
        }
        try output.print(answer) { Self.text($0, isWide: output.isWide, isWholeNode: list.namespace == nil) }
        if answer.rules.isEmpty, answer.requests?.rules.isEmpty ?? true {
            let what = nonZero ? "has decided anything" : "is in force on this node"
            await output.explainEmpty("no rule \(what) for a policy", list, socket.client)
        }
    }

    private static func cell(_ counter: RuleCounterAnswer, isWide: Bool) -> Table.Cell {
        let decider = isWide ? "\(counter.rule)" : counter.rule.short
        let end = counter.gone == true ? " (no longer in force)" : ""
        return counter.audit == true ? .init("would deny: \(decider)\(end)", .yellow) : .init("\(decider)\(end)")
    }

    /// - Parameter isWholeNode: false: without the counts that belong to no namespace.
    static func text(_ answer: CountersAnswer, isWide: Bool = false, isWholeNode: Bool = true) -> String {
        var rules = Table("PACKETS", "BYTES", "DIRECTION", "DECIDED BY")
        for counter in answer.rules {
            rules.add(
                "\(counter.packets)", "\(counter.bytes)", .init(counter.rule.direction ?? "both"),
                cell(counter, isWide: isWide))
        }
        let decided = rules.text + text(answer.requests, isWide: isWide, isWholeNode: isWholeNode)
        return isWholeNode ? decided + "\n" + text(answer.datapath) : decided
    }

    private static func text(_ datapath: DatapathCountersAnswer) -> String {
        var others = Table("OTHER DROPS, AND EVENTS NOT REPORTED", "COUNT")
        others.add("spoofed source address", "\(datapath.spoofed)")
        others.add("transport header not found", "\(datapath.unparsable)")
        others.add("inconsistent tables (a bug: please report)", "\(datapath.inconsistent)")
        others.add("tunnel packet from a pod to a node", "\(datapath.tunnel)")
        others.add("source-routed packet from a pod", "\(datapath.sourceRouted)")
        others.add("ICMP error about a flow of others", "\(datapath.unrelatedErrors)")
        others.add("IP header not readable", "\(datapath.malformed)")
        others.add("needs the request proxy, which is missing", "\(datapath.handOver)")
        others.add("passed, but a policy in audit would deny it", "\(datapath.audited)")
        others.add("events suppressed (same flow, rate limit)", "\(datapath.suppressedEvents)")
        others.add("events lost", "\(datapath.lostEvents)")
        others.add("allowed flows not recorded (rate limit)", "\(datapath.flowsLeftOut)")
        others.add("allowed flows lost before they were recorded", "\(datapath.flowsLost)")
        return others.text
    }

    private static func text(_ requests: RequestCountersAnswer?, isWide: Bool, isWholeNode: Bool) -> String {
        guard let requests else { return "" }
        var rules = Table("REQUESTS", "VERDICT", "DECIDED BY")
        for counter in requests.rules {
            rules.add(
                "\(counter.requests)", .init(counter.verdict, counter.verdict == "wouldDeny" ? .yellow : nil),
                .init(isWide ? "\(counter.rule)" : counter.rule.short))
        }
        var text = requests.rules.isEmpty ? "" : "\n" + rules.text
        if isWholeNode, !requests.refused.isEmpty {
            var refused = Table("REQUESTS REFUSED BEFORE ANY RULE", "COUNT")
            for (reason, count) in requests.refused.sorted(by: { $0.key < $1.key }) {
                refused.add(.init(reason), "\(count)")
            }
            text += "\n" + refused.text
        }
        return text
    }
}
