// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlViews
import PolicyModel
import Testing

@Suite struct TopTests {
    private static func policy(_ name: String) -> PolicyReference {
        PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: name)
    }
    private static let rule = RuleAnswer(.rule(policy("redis"), .ingress, index: 0, name: nil))
    private static let isolation = RuleAnswer(.isolation(.ingress, by: [policy("deny")]))

    private static func endpoint(_ namespace: String, _ name: String, interface: String?) -> EndpointAnswer {
        let open = EndpointDirection(program: 0, rules: 0, policies: [])
        return EndpointAnswer(
            id: 1, namespace: namespace, name: name, addresses: [], ingress: open, egress: open,
            interface: interface.map { InterfaceAnswer(index: 1, name: $0) })
    }

    private static let pods = [endpoint("shop", "web", interface: "v1"), endpoint("shop", "redis", interface: "v2")]

    private static func sample(
        _ seconds: Double, _ packets: [(RuleAnswer, UInt64)] = [], endpoints: [EndpointAnswer] = pods,
        interfaces: [String: InterfaceTraffic] = [:]
    ) -> TopSample {
        let none = DatapathCountersAnswer(
            spoofed: 0, unparsable: 0, inconsistent: 0, tunnel: 0, sourceRouted: 0, unrelatedErrors: 0, malformed: 0,
            audited: 0, suppressedEvents: 0, lostEvents: 0)
        let rules = packets.map { RuleCounterAnswer(id: 1, rule: $0, packets: $1, bytes: 0) }
        return TopSample(
            seconds: seconds, counters: CountersAnswer(rules: rules, datapath: none), endpoints: endpoints,
            interfaces: interfaces)
    }

    private static func drop(
        _ source: String = "shop/web", port: Int = 80, time: String = "2026-11-24T11:16:18.372Z",
        kind: FlowRecord.Kind = .drop
    ) -> FlowRecord {
        let packet = DroppedPacket(
            cause: .rule, direction: "ingress", source: EventEnd(address: "10.0.0.1", port: 4000, pod: source),
            destination: EventEnd(address: "10.0.0.2", port: port, pod: "shop/redis"), protocol: "TCP",
            endpoint: "shop/redis", rule: isolation, reason: "because", interface: nil)
        return FlowRecord(
            kind: kind, time: time, drop: kind == .drop ? packet : nil, audit: kind == .audit ? packet : nil)
    }

    @Test func rulesHaveRatesAndTotals() {
        var model = TopModel()
        #expect(model.rules.isEmpty && !model.hasRates)
        model.take(Self.sample(10, [(Self.rule, 100), (Self.isolation, 7)]))
        #expect(model.rules.map(\.rate) == [nil, nil] && model.rules.map(\.packets) == [100, 7])
        model.take(Self.sample(12, [(Self.rule, 110), (Self.isolation, 47)]))
        #expect(model.hasRates)
        #expect(model.rules.map(\.rule) == [Self.isolation, Self.rule])
        #expect(model.rules.map(\.rate) == [20, 5])
        // A rule that is new has counted since; one that has started again, too.
        let other = RuleAnswer(.noPolicy(.egress))
        model.take(Self.sample(13, [(Self.rule, 3), (Self.isolation, 47), (other, 9)]))
        #expect(model.rules.map(\.rule) == [other, Self.rule, Self.isolation])
        #expect(model.rules.map(\.rate) == [9, 3, 0])
        // Two samples of one moment have no rate.
        model.take(Self.sample(13, [(Self.rule, 3)]))
        #expect(model.rules.map(\.rate) == [nil])
    }

    @Test func podsHaveTheRatesOfTheirInterfacesAndDenials() throws {
        var model = TopModel()
        let others = [Self.endpoint("", "vm", interface: "v2"), Self.endpoint("shop", "lost", interface: nil)]
        let shared = Self.pods + others
        func traffic(_ count: UInt64) -> [String: InterfaceTraffic] {
            ["v1": InterfaceTraffic(received: count, sent: count * 2), "v2": InterfaceTraffic(received: 5, sent: 5)]
        }
        model.take(Self.drop())
        model.take(Self.sample(1, endpoints: shared, interfaces: traffic(10)))
        model.take(Self.drop())
        model.take(Self.drop(port: 81))
        model.take(Self.drop(kind: .audit))
        model.take(Self.sample(3, endpoints: shared, interfaces: traffic(20)))
        #expect(model.pods.map(\.name) == ["web", "redis", "lost", "vm"])
        let web = try #require(model.pods.first)
        #expect(web.received == 10 && web.sent == 5 && web.deniedIngress == 0 && web.deniedEgress == 0)
        // Two pods behind one interface: its packets are neither's.
        let redis = try #require(model.pods.first { $0.name == "redis" })
        #expect(redis.received == nil && redis.sent == nil && redis.deniedIngress == 1 && redis.deniedEgress == 0)
    }

    @Test func deniedFlowsAreGrouped() {
        var model = TopModel()
        model.take(Self.drop(time: "2026-11-24T11:16:18.372Z"))
        model.take(Self.drop(time: "2026-11-24T11:16:19.000Z"))
        model.take(Self.drop(port: 81))
        model.take(Self.drop(kind: .audit))
        let source = EventEnd(address: "192.0.2.1", port: 5, pod: nil)
        for verdict in ["wouldDeny", "refuse"] {
            model.take(
                FlowRecord(
                    kind: .request, time: "t",
                    request: JudgedRequest(
                        verdict: verdict, source: source, destination: source, method: "GET", host: "h", path: "/",
                        rule: nil, reason: "no")))
        }
        #expect(
            model.denied.flows.map { "\($0.source) \($0.destination) \($0.port) \($0.rule) \($0.count)" } == [
                "shop/web shop/redis 80/TCP isolation by shop/deny 2", "192.0.2.1 192.0.2.1 5/HTTP no 1",
                "shop/web shop/redis 81/TCP isolation by shop/deny 1",
            ])
        #expect(model.denied.flows[0].lastSeen == "2026-11-24T11:16:19.000Z" && model.denied.leftOut == 0)
        model.take(FlowRecord(kind: .lost, time: "t", lost: 3))
        #expect(model.denied.leftOut == 3)
    }

    /// A scan of any size takes little memory, and what was left out is counted exactly.
    @Test func deniedFlowsAreBounded() {
        var model = TopModel()
        for number in 0..<5000 {
            model.take(Self.drop("shop/pod\(number)", time: "2026-11-24T11:16:18.\(1000 + number)Z"))
        }
        let denied = model.denied
        #expect(denied.flows.count <= 1000 && denied.flows.count > 100)
        #expect(denied.flows.reduce(0) { $0 + $1.count } + denied.leftOut == 5000)
        #expect(denied.flows.contains { $0.source == "shop/pod4999" })
    }

    @Test func interfacesAreRead() {
        let text = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls
                lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
            a:b.7:11 12    0    0    0     0          0         0        21 22    0    0    0     0       0          0
             short: 1 2

            """
        #expect(
            InterfaceTraffic.parse(text) == [
                "lo": InterfaceTraffic(received: 2, sent: 10), "a:b.7": InterfaceTraffic(received: 12, sent: 22),
            ])
    }

    @Test(arguments: TopView.allCases, [(80, 24), (40, 10), (20, 3), (10, 1), (200, 60)])
    func screensFit(view: TopView, size: (columns: Int, rows: Int)) {
        let long = String(repeating: "long-name-", count: 6) + "end"
        var model = TopModel()
        let many = (0..<50).map { Self.endpoint(long, "\(long)\($0)", interface: nil) }
        let rules = (0..<50).map { number in
            let policy = PolicyReference(kind: "AuthorizationPolicy", namespace: long, name: long)
            return (RuleAnswer(.rule(policy, .ingress, index: number, name: nil)), UInt64(number))
        }
        model.take(Self.sample(1, rules, endpoints: many))
        model.take(Self.sample(2, rules, endpoints: many))
        for number in 0..<50 { model.take(Self.drop("\(long)/\(long)\(number)")) }
        var screen = TopScreen(view: view)
        screen.node = "node\u{1b}[2J  healthy"
        let lines = screen.lines(model, columns: size.columns, rows: size.rows, time: "12:00:00Z") { text, _ in text }
        #expect(lines.count == size.rows)
        #expect(lines.allSatisfy { TextWidth.columns(of: $0) <= max(size.columns, 16) })
        #expect(!lines.contains { $0.contains("\u{1b}") })
        if size.rows == 24 {
            #expect(lines[23] == "p pods   r rules   d denied   q quit")
            Self.expectWholeRows(Array(lines[2..<23]))
            #expect(lines[0].hasPrefix("\(view.rawValue)  node\\u001b[2J  healthy  12:00"))
        }
        screen.problem = "no daemon answers"
        let failed = screen.lines(model, columns: size.columns, rows: size.rows, time: "") { text, color in
            color == .red ? "<\(text)>" : text
        }
        #expect(size.rows < 2 || failed[1].hasPrefix("<no daemo"))
    }

    /// Each row that is shown is whole, and the others are counted. Lines that continue a row begin with a space.
    private static func expectWholeRows(_ body: [String]) {
        let lines = body.filter { !$0.isEmpty }
        guard let last = lines.last, last.hasPrefix("… and "), last.hasSuffix(" more") else {
            Issue.record("not counted: \(body)")
            return
        }
        let rows = lines.dropLast().count { $0.first != " " } - 1
        #expect(rows > 0 && last == "… and \(50 - rows) more")
        #expect(!lines.dropLast().contains { $0.contains("…") })
        let names = lines.joined().filter { $0 != " " }.ranges(of: "end").count
        // Each row has the policy's or the pod's namespace and name; `denied` has the other pod and its rule as well.
        #expect(names >= rows * 2)
    }

    @Test func oneNamespaceIsShown() {
        var model = TopModel()
        let other = RuleAnswer(
            .isolation(.egress, by: [PolicyReference(kind: "NetworkPolicy", namespace: "other", name: "x")]))
        let pods = Self.pods + [Self.endpoint("other", "x", interface: nil)]
        model.take(Self.sample(1, [(Self.rule, 1), (Self.isolation, 1), (other, 1)], endpoints: pods))
        model.take(Self.drop())
        model.take(Self.drop("other/x"))
        var screen = TopScreen(view: .pods, namespace: "other")
        #expect(screen.pods(model).map(\.name) == ["x"] && screen.rules(model).map(\.rule) == [other])
        #expect(screen.denied(model).flows.map(\.source) == ["other/x"])
        screen.namespace = "shop"
        #expect(screen.pods(model).count == 2 && screen.rules(model).count == 2)
        #expect(screen.denied(model).flows.count == 2)
    }

    @Test func ratesAreShort() {
        func text(_ packets: UInt64, in seconds: Double) -> String? {
            var model = TopModel()
            model.take(Self.sample(0, [(Self.rule, 0)]))
            model.take(Self.sample(seconds, [(Self.rule, packets)]))
            let table = TopScreen(view: .rules).table(model)
            return table.lines(width: nil, hasTitles: false) { text, _ in text }.first?.split(separator: " ").first
                .map(String.init)
        }
        let rates: [(UInt64, Double, String)] = [
            (0, 1, "0"), (1, 100, "<0.1"), (1, 4, "0.3"), (12, 1, "12"), (12, 10, "1.2"), (999, 1, "999"),
            (1200, 1, "1.2k"), (34567, 1, "35k"), (999_999, 1, "1M"), (9_960, 1, "10k"), (5_400_000_000, 1, "5.4G"),
        ]
        for (packets, seconds, expected) in rates { #expect(text(packets, in: seconds) == expected) }
    }
}
