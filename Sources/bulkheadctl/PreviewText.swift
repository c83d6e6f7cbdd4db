// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import PolicyModel
import Reachability

/// The answers of `preview` for people.
enum PreviewText {
    static func text(_ answer: PreviewAnswer) -> String {
        guard answer.changed else { return "nothing would change: every flow keeps its verdict\n" }
        var text = changes(answer.changes)
        if answer.leftOut > 0 { text += "there are more changes than these (--limit)\n" }
        if answer.changes.isEmpty { text += "every flow that can be compared keeps its verdict\n" }
        return text + pods(answer.onlyOld, "would go") + pods(answer.onlyNew, "would come")
    }

    static func text(_ answer: NodePreviewAnswer) -> String {
        var text = ""
        for (objects, what) in [
            (answer.added, "would be added"), (answer.changed, "would be changed"),
            (answer.deleted, "would be deleted"), (answer.unchanged, "unchanged"),
        ] {
            text += objects.map { Words.line("\($0) \(what)") + "\n" }.joined()
        }
        return text + "\n" + summary(answer) + "\nnothing was changed\n"
    }

    /// What changes on a node, for `apply --dry-run` as well.
    static func summary(_ answer: NodePreviewAnswer) -> String {
        var text = "on node \(Words.line(answer.node)):\n"
        text += changes(answer.changes) + more(answer.leftOut["changes"], "changes")
        if answer.changes.isEmpty { text += "every flow of its pods keeps its verdict\n" }
        text += pods(answer.lostPods, "would go") + pods(answer.newPods, "would come")
        for list in lists(answer) where !list.flows.isEmpty {
            text += "\n\(list.title):\n" + flows(list.flows, list.unit) + more(answer.leftOut[list.name], "flows")
        }
        return text + answer.notes.map { "note: \(Words.line($0))\n" }.joined()
    }

    struct FlowList {
        var name: String
        var title: String
        var unit: String
        var flows: [PreviewedFlow]
    }

    static func lists(_ answer: NodePreviewAnswer) -> [FlowList] {
        [
            FlowList(
                name: "connections", title: "live connections that would be cut", unit: "CONNECTIONS",
                flows: answer.connections),
            FlowList(
                name: "denied", title: "flows on record that were allowed and would be denied", unit: "RECORDS",
                flows: answer.denied),
            FlowList(
                name: "opened", title: "flows on record that were denied and would be allowed", unit: "RECORDS",
                flows: answer.opened),
        ]
    }

    private static func changes(_ changes: [PreviewChange]) -> String {
        guard !changes.isEmpty else { return "" }
        var table = Table("EFFECT", "FROM", "TO", "PORTS", "VERDICT", "DECIDED BY")
        for change in changes {
            table.add(
                .init(change.effect.rawValue, color(change.effect)), .init(change.from.text), .init(change.to.text),
                .init(change.portText), .init(change.verdictText), .init(change.ruleText))
        }
        return table.text
    }

    private static func flows(_ flows: [PreviewedFlow], _ unit: String) -> String {
        var table = Table("FROM", "TO", "PROTOCOL", unit, "LAST", "DECIDED BY")
        for flow in flows {
            table.add(
                .init("\(flow.source)"), .init("\(flow.destination)"), .init(flow.protocol), .init("\(flow.count)"),
                .init(flow.last ?? ""), .init(flow.ruleText))
        }
        return table.text
    }

    private static func more(_ count: Int?, _ what: String) -> String { count.map { "and \($0) more \(what)\n" } ?? "" }

    private static func pods(_ pods: [String], _ what: String) -> String {
        guard !pods.isEmpty else { return "" }
        let names = Words.line(Words.some(pods, limit: 5))
        return "\(Words.count(pods.count, "pod")) \(what), not compared: \(names)\n"
    }

    private static func color(_ effect: PreviewEffect) -> Terminal.Color {
        switch effect {
        case .opened: .yellow
        case .cut: .red
        case .changed: .yellow
        }
    }
}

extension PreviewChange {
    /// "6379/TCP", "every port and protocol".
    var portText: String {
        Set(ports) == Self.everything ? "every port and protocol" : Words.some(ports, limit: 8)
    }

    private static let everything = Set(PortSpan.all.map(\.description))

    /// "deny -> allow".
    var verdictText: String { mayBeEqual == true ? "\(old), may differ" : "\(old) -> \(new)" }

    /// What decides after the change.
    var ruleText: String { DirectionAnswer.ruleText(egress, ingress) }
}

extension PreviewedFlow {
    var ruleText: String { DirectionAnswer.ruleText(egress, ingress) }
}

extension DirectionAnswer {
    /// The rule that denies; if none does, those of both sides, without sides that no policy selects.
    fileprivate static func ruleText(_ egress: DirectionAnswer?, _ ingress: DirectionAnswer?) -> String {
        let sides = [(egress, "egress"), (ingress, "ingress")].compactMap { side, direction in
            side.map { ($0, direction) }
        }
        let denying = sides.filter { $0.0.verdict == Verdict.deny.rawValue }
        let written = sides.filter { $0.0.rule.map { $0.kind != .noPolicy } ?? true }
        let shown = !denying.isEmpty ? denying : written.isEmpty ? sides : written
        return shown.map { $0.0.ruleText($0.1) }.joined(separator: "; ")
    }
}

extension PreviewParty {
    /// "shop/web, shop/api and 3 more", "10.0.0.0/8", "everyone else".
    var text: String {
        var parts: [String] = []
        if count > 0 { parts.append(Words.some(names, limit: 4, of: count)) }
        let narrow = networks.filter { $0 != "0.0.0.0/0" && $0 != "::/0" }
        let narrowCount = networkCount - (networks.count - narrow.count)
        if narrowCount > 0 { parts.append(Words.some(narrow, limit: 4, of: narrowCount)) }
        if narrow.count < networks.count { parts.append("all other addresses") }
        return parts.joined(separator: ", ")
    }
}
