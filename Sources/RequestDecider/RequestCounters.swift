// SPDX-License-Identifier: Apache-2.0
import PolicyModel
import PrometheusText
import RequestPolicy

/// What a decider has answered, in total and since the daemon was last told.
public struct RequestCounters: Sendable {
    private struct Key: Hashable {
        var policy: RequestCounts.Policy?
        var rule: Int?
        var verdict: RequestCounts.Verdict

        /// For sorting.
        var text: String { "\(policy?.namespace ?? "")/\(policy?.name ?? "") \(rule ?? -1) \(verdict.rawValue)" }
    }

    private var totals: [Key: UInt64] = [:]
    private var untold: [Key: UInt64] = [:]
    private var refused: [String: UInt64] = [:]
    private var untoldRefused: [String: UInt64] = [:]
    private var denied: [RequestCounts.Denied] = []
    /// Flows that needed no look at their requests.
    public var passedFlows: UInt64 = 0
    /// Seconds that answers took.
    public var durations = Histogram(bounds: [
        0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1,
    ])

    /// Kinds of reasons and rules that one body tells; more are left out of it, and counted in the totals.
    private static let untoldLimit = 2_000

    public init() {}

    mutating func count(_ verdict: RequestCounts.Verdict, by rule: RuleIdentity?) {
        let origin = rule?.requestOrigin
        let key = Key(policy: origin?.policy, rule: origin?.rule, verdict: verdict)
        totals[key, default: 0] += 1
        add(1, to: key)
    }

    private mutating func add(_ requests: UInt64, to key: Key) {
        if untold.count < Self.untoldLimit || untold[key] != nil { untold[key, default: 0] += requests }
    }

    /// Counts a request or connection that was refused before any rule decides. Reasons are a closed set of texts.
    public mutating func refuse(_ reason: String) {
        refused[reason, default: 0] += 1
        untoldRefused[reason, default: 0] += 1
    }

    mutating func keep(_ record: RequestCounts.Denied) {
        if denied.count >= RequestCounts.deniedLimit { denied.removeFirst() }
        denied.append(record)
    }

    /// Drops the totals of policies that are gone.
    mutating func forget(policiesOtherThan policy: RequestPolicy) {
        var known: Set<RequestCounts.Policy> = []
        for program in policy.programs.values {
            for rule in program.rules + program.auditRules {
                if let origin = rule.identity.requestOrigin { known.insert(origin.policy) }
            }
        }
        totals = totals.filter { key, _ in key.policy.map { known.contains($0) } ?? true }
    }

    /// What the daemon has not been told; nil if there is nothing.
    public mutating func takeUntold(generation: UInt64) -> RequestCounts? {
        guard !untold.isEmpty || !untoldRefused.isEmpty || !denied.isEmpty else { return nil }
        var body = RequestCounts(generation: generation)
        body.counts = untold.map { key, requests in
            RequestCounts.Count(policy: key.policy, rule: key.rule, verdict: key.verdict, requests: requests)
        }
        body.refused = untoldRefused
        body.denied = denied
        (untold, untoldRefused, denied) = ([:], [:], [])
        return body
    }

    /// Counts again what did not reach the daemon.
    public mutating func putBack(_ body: RequestCounts) {
        for count in body.counts {
            add(count.requests, to: Key(policy: count.policy, rule: count.rule, verdict: count.verdict))
        }
        untoldRefused.merge(body.refused) { $0 + $1 }
        denied = Array((body.denied + denied).suffix(RequestCounts.deniedLimit))
    }

    /// For Prometheus.
    public var families: [MetricFamily] {
        let requests = totals.sorted { ($0.key.text, $0.value) < ($1.key.text, $1.value) }.map { key, value in
            MetricFamily.Sample(
                labels: [
                    .init("verdict", key.verdict.rawValue), .init("namespace", key.policy?.namespace ?? ""),
                    .init("policy", key.policy?.name ?? ""), .init("rule", key.rule.map { "\($0 + 1)" } ?? ""),
                ], value: .integer(value))
        }
        return [
            MetricFamily(
                "bulkhead_http_requests_total", "HTTP requests by verdict and by the rule that gave it.", .counter,
                requests),
            MetricFamily(
                "bulkhead_http_refused_total",
                "Requests and connections refused before any rule decides, by reason.", .counter,
                refused.sorted { $0.key < $1.key }.map {
                    .init(labels: [.init("reason", $0.key)], value: .integer($0.value))
                }),
            .counter(
                "bulkhead_http_passed_flows_total", "Connections whose requests no rule reads.", passedFlows),
            .histogram("bulkhead_http_decision_seconds", "Time from a question to its answer.", durations),
        ]
    }
}
