// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PrometheusText
import RequestPolicy

extension Agent where Plane: ~Copyable {
    /// Nil if no flow's requests decide and no proxy follows.
    func requestStatus() -> RequestStatus? {
        noteRequests()
        let endpoints = handedOver.count
        guard endpoints > 0 || requests.isReady || steering.error != nil else { return nil }
        let problem = requestProblem
        return RequestStatus(
            endpoints: endpoints, proxyReady: requests.isReady, proxy: proxyName,
            proxyPod: steering.proxy?.name.description, steered: problem == nil, problem: problem,
            missingSeconds: requests.missingSince.map { Int((ContinuousClock.now - $0) / .seconds(1)) })
    }

    /// Why flows that need the proxy are refused; nil if they get there.
    private var requestProblem: String? {
        let lacksPod = "no pod of this node has the service account \(proxyName) (--request-proxy)"
        let hasPod = pipeline.compiled.endpoints.values.contains { isProxy($0.name) }
        guard requests.isReady else {
            return hasPod ? "its decider does not follow this daemon's socket" : "\(lacksPod): deploy the proxy"
        }
        if let error = steering.error { return error.description }
        guard !steering.isInPlace else { return nil }
        if let family = steering.plan?.unserved.first { return "the proxy's pod has no \(family) address" }
        return hasPod ? "no interface of this node leads to its pod" : "a decider follows, but \(lacksPod)"
    }

    /// The proxy is needed, and is missing or cannot be reached.
    func requestCondition() -> StatusCondition? {
        noteRequests()
        guard let since = requests.missingSince, let problem = requestProblem else { return nil }
        let missing = ContinuousClock.now - since
        let count = handedOver.count
        let pods = count == 1 ? "1 pod" : "\(count) pods"
        let state = requests.isReady ? "cannot be reached" : "is missing"
        return StatusCondition(
            .requests, isProblem: missing >= Self.requestGrace,
            "authorization reads the requests of flows to \(pods), and the node's proxy \(state) for "
                + "\(Int(missing / .seconds(1))) s: these flows are refused; \(problem)")
    }

    /// A proxy that starts or restarts needs a moment.
    private static var requestGrace: Duration { .seconds(5) }

    private var proxyName: String { "\(settings.requests.proxyNamespace)/\(settings.requests.proxyAccount)" }

    /// Reports about policies whose requests no proxy decides about here.
    func requestReports() -> [ObjectReport] {
        noteRequests()
        guard let since = requests.missingSince, ContinuousClock.now - since >= settings.interfaceGrace else {
            return []
        }
        let reading = Set(
            handedOver.compactMap { pipeline.compiled.programs[$0.ingress] }.flatMap(\.rules)
                .filter { $0.request != nil }.compactMap { pipeline.compiled.rules[$0.rule]?.identity.policies.first })
        return reading.compactMap { reference in
            guard let key = reference.objectKey, let policy = inputs.store.clusterPolicies[key] else { return nil }
            return ObjectReport(
                object: key, uid: policy.metadata.uid, reason: "RequestProxyMissing",
                message: "reads requests, and a node of its pods has no ready proxy (\(proxyName)): flows that need it "
                    + "are refused there")
        }
    }

    /// The TCP ports of a program whose flows go through the proxy.
    func requestPorts(of id: ProgramID) -> [String]? {
        let ports = pipeline.compiled.handedOverPorts(of: id)
        return ports.isEmpty ? nil : ports.map(\.description)
    }

    /// Nil if the proxy has reported nothing.
    func requestCounters() -> RequestCountersAnswer? {
        let counts = requests.counts
        guard !counts.verdicts.isEmpty else { return nil }
        let rules = counts.rules.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { key, number in
            RequestCounterAnswer(
                rule: RuleAnswer(key.identity), verdict: key.verdict.rawValue, requests: number)
        }
        return RequestCountersAnswer(
            rules: rules,
            verdicts: Dictionary(uniqueKeysWithValues: counts.verdicts.map { ($0.key.rawValue, $0.value) }),
            refused: counts.refused)
    }

    func requestMetrics(_ status: StatusAnswer) -> [MetricFamily] {
        [
            .gauge(
                "bulkhead_request_endpoints", "Pods of this node with flows whose HTTP requests decide.",
                status.requests?.endpoints ?? 0),
            .gauge(
                "bulkhead_request_proxy_ready",
                "Whether the node's proxy for requests follows policy; if not, flows that need it are refused.",
                requests.isReady),
            .gauge(
                "bulkhead_request_proxy_missing_seconds",
                "How long flows that need the proxy have been refused, because it is missing or cannot be reached; 0 if not.",
                status.requests?.missingSeconds ?? 0),
            .counters(
                "bulkhead_requests_total",
                "HTTP requests that the node's proxy has decided; would_deny ones were allowed, refused ones were denied"
                    + " before any rule decided.", by: "verdict",
                [
                    ("allow", requests.counts.verdicts[.allow] ?? 0), ("deny", requests.counts.verdicts[.deny] ?? 0),
                    ("would_deny", requests.counts.verdicts[.wouldDeny] ?? 0),
                    ("refuse", requests.counts.verdicts[.refuse] ?? 0),
                ]),
        ]
    }
}

extension RequestTotals {
    /// What one policy has decided; nil if nothing.
    func byVerdict(of policy: PolicyReference) -> [String: UInt64]? {
        guard policy.isOfAuthorization else { return nil }
        var sums: [String: UInt64] = [:]
        for (key, number) in rules where key.namespace == policy.namespace && key.name == policy.name {
            sums[key.verdict.rawValue, default: 0] &+= number
        }
        return sums.isEmpty ? nil : sums
    }
}

extension RequestTotals.Key {
    fileprivate var identity: RuleIdentity {
        let policy = PolicyReference(
            kind: PolicyReference.authorizationKind, namespace: namespace, name: name)
        return rule < 0
            ? .isolation(.ingress, by: [policy]) : .rule(policy, .ingress, index: rule, name: nil)
    }
}
