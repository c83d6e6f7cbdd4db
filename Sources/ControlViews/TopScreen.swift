// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

/// The tables that `top` can show.
public enum TopView: String, Sendable, CaseIterable {
    case pods
    case rules
    case denied
}

/// The model as a table, or as the lines of a screen.
public struct TopScreen: Sendable {
    public var view: TopView
    /// Only rows about this namespace; nil: all.
    public var namespace: String?
    /// The node and how it is, for the first line.
    public var node = ""
    /// What is wrong now, such as a daemon that does not answer.
    public var problem: String?
    /// Why denied flows are not reported now, while the rest is.
    public var eventProblem: String?

    public init(view: TopView, namespace: String? = nil) {
        self.view = view
        self.namespace = namespace
    }

    /// The view as a table.
    public func table(_ model: TopModel) -> Table {
        switch view {
        case .pods: table(pods(model))
        case .rules: table(rules(model))
        case .denied: table(denied(model).flows)
        }
    }

    /// The rows of `top pods`.
    public func pods(_ model: TopModel) -> [TopPod] {
        model.pods.filter { namespace == nil || $0.namespace == namespace }
    }

    /// The rows of `top rules`.
    public func rules(_ model: TopModel) -> [TopRule] {
        guard let namespace else { return model.rules }
        return model.rules.filter { $0.rule.isAbout(namespace: namespace) }
    }

    /// The rows of `top denied`.
    public func denied(_ model: TopModel) -> TopDenied {
        guard let namespace else { return model.denied }
        var denied = model.denied
        denied.flows.removeAll { !$0.source.hasPrefix("\(namespace)/") && !$0.destination.hasPrefix("\(namespace)/") }
        return denied
    }

    /// What one printed table cannot say itself: that there is nothing in it, and what is left out.
    ///
    /// - Parameter seconds: how long it was measured.
    public func remarks(_ model: TopModel, seconds: Double) -> [String] {
        let place = namespace.map { " in namespace \($0)" } ?? ""
        switch view {
        case .pods: return pods(model).isEmpty ? ["no pod of this node is known\(place)"] : []
        case .rules: return rules(model).isEmpty ? ["no rule is in force on this node for a policy\(place)"] : []
        case .denied:
            let denied = denied(model)
            let time = seconds == 1 ? "1 second" : "\(Rate.exact(seconds)) seconds"
            let side = namespace == nil ? "" : " from or to a pod\(place)"
            return (denied.flows.isEmpty ? ["no denied flow\(side) was reported in \(time)"] : [])
                + (denied.leftOut > 0 ? [Self.leftOut(denied.leftOut)] : [])
        }
    }

    private static func leftOut(_ count: UInt64) -> String { "\(count) left out: too many, or read too slowly" }

    /// The whole screen, at most `rows` lines of at most `columns`.
    ///
    /// - Parameter time: of day, for the first line.
    public func lines(
        _ model: TopModel, columns: Int, rows: Int, time: String, paint: (String, TextColor?) -> String
    ) -> [String] {
        func fitted(_ text: String) -> String { TextWidth.shortened(VisibleText.line(text), columns: columns) }
        var head = [fitted([view.rawValue, node, time].filter { !$0.isEmpty }.joined(separator: "  "))]
        if let problem = problem ?? eventProblem {
            head.append(paint(fitted(problem), .red))
        } else if !model.hasRates {
            head.append(paint(fitted("measuring …"), .yellow))
        } else {
            head.append(fitted(note(model)))
        }
        let room = max(0, rows - head.count - 1)
        let body = Self.body(table(model).rowLines(width: columns, paint: paint), room) {
            fitted("… and \($0) more")
        }
        let keys = TopView.allCases.map { "\($0.rawValue.prefix(1)) \($0.rawValue)" } + ["q quit"]
        let blank = Array(repeating: "", count: room - body.count)
        return Array((head + body + blank + [fitted(keys.joined(separator: "   "))]).prefix(max(1, rows)))
    }

    /// Whole rows, as many as there is room for, and how many more there are.
    private static func body(_ rows: [[String]], _ room: Int, _ more: (Int) -> String) -> [String] {
        guard room > 0 else { return [] }
        guard rows.reduce(0, { $0 + $1.count }) > room else { return rows.flatMap { $0 } }
        var lines: [String] = []
        var shown = 0
        while shown < rows.count, lines.count + rows[shown].count < room {
            lines += rows[shown]
            shown += 1
        }
        // The titles are never among what is left out.
        return lines + [more(rows.count - max(shown, 1))]
    }

    /// What the numbers are, in one line.
    private func note(_ model: TopModel) -> String {
        switch view {
        case .pods: return "packets a second by interface; DENIED: denied flows reported a second"
        case .rules: return "packets a second that each rule decided, and all so far"
        case .denied:
            let denied = denied(model)
            return "denied flows reported since the start" + (denied.flows.isEmpty ? ": none" : "")
                + (denied.leftOut > 0 ? "; \(Self.leftOut(denied.leftOut))" : "")
        }
    }

    private func table(_ pods: [TopPod]) -> Table {
        var table = Table("IN/s", "OUT/s", "DENIED IN/s", "DENIED OUT/s", "POD")
        for pod in pods {
            table.add(
                .init(Rate.text(pod.received)), .init(Rate.text(pod.sent)), Self.denied(pod.deniedIngress),
                Self.denied(pod.deniedEgress), .init(pod.id))
        }
        return table
    }

    private static func denied(_ rate: Double?) -> Table.Cell {
        .init(Rate.text(rate), (rate ?? 0) > 0 ? .red : nil)
    }

    private func table(_ rules: [TopRule]) -> Table {
        var table = Table("PACKETS/s", "TOTAL", "DIRECTION", "DECIDED BY")
        for row in rules {
            let rule = row.audit == true ? "would deny: \(row.rule.short)" : row.rule.short
            table.add(
                .init(Rate.text(row.rate)), "\(row.packets)", .init(row.rule.direction ?? "both"),
                .init(rule, row.audit == true ? .yellow : nil))
        }
        return table
    }

    private func table(_ flows: [TopDeniedFlow]) -> Table {
        var table = Table("COUNT", "LAST SEEN", "FROM", "TO", "PORT", "DENIED BY")
        for flow in flows {
            table.add(
                "\(flow.count)", .init(Self.timeOfDay(flow.lastSeen)), .init(flow.source), .init(flow.destination),
                .init(flow.port), .init(flow.rule))
        }
        return table
    }

    /// `11:16:18` of `2026-11-24T11:16:18.372Z`.
    public static func timeOfDay(_ time: String) -> String {
        guard let start = time.firstIndex(of: "T") else { return time }
        return String(time[time.index(after: start)...].prefix(8))
    }
}

/// Numbers per second in few characters.
enum Rate {
    /// `2`, `0.5`.
    static func exact(_ number: Double) -> String {
        let text = "\(number)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// `-` (not known), `0`, `0.3`, `12`, `1.2k`, `34M`.
    static func text(_ rate: Double?) -> String {
        guard let rate, rate.isFinite, rate >= 0 else { return "-" }
        if rate == 0 { return "0" }
        if rate < 0.1 { return "<0.1" }
        var value = rate
        var unit = ""
        for next in ["k", "M", "G", "T"] where value >= 999.5 {
            value /= 1000
            unit = next
        }
        // A digit after the point while it says something: 9.96 would be 10.0.
        guard value < 9.95 else { return "\(Int(value.rounded()))\(unit)" }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)\(unit)" : "\(tenths / 10).\(tenths % 10)\(unit)"
    }
}

extension RuleAnswer {
    /// Without most of the policies that isolate a pod, but with their number.
    public var short: String {
        guard kind == .isolation, let by, by.count > 2 else { return "\(self)" }
        return "isolation by \(by[0]), \(by[1]) and \(by.count - 2) more"
    }

    /// Whether it belongs to a policy of the namespace, or such a policy is among those that isolate the pod.
    public func isAbout(namespace: String) -> Bool {
        policy?.namespace == namespace || (by ?? []).contains { $0.namespace == namespace }
    }
}
