// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import PolicyModel
import PolicyPipeline
import PrometheusText

extension Agent where Plane: ~Copyable {
    /// All metrics, read now.
    public func metrics() -> [MetricFamily] {
        let status = status()
        return [
            MetricFamily(
                "bulkhead_build_info", "Always 1; its labels say what runs.", .gauge,
                [
                    .init(
                        labels: [
                            .init("version", status.version), .init("node", status.node),
                            .init("datapath", status.datapath.kind),
                        ], value: .integer(1))
                ])
        ] + packetMetrics(status) + programmingMetrics(status) + policyMetrics(status) + tableMetrics(status)
            + connectionMetrics() + clusterMetrics(status) + requestMetrics(status) + journalMetrics() + proofMetrics()
            + ProcessFigures.metrics()
    }

    private func packetMetrics(_ status: StatusAnswer) -> [MetricFamily] {
        takeCounts()
        counts.publishPolicies(phase.error == nil ? pipeline.compiled : nil)
        let counters = (try? datapath.counters()) ?? DatapathCounters()
        return [
            family(
                "bulkhead_denied_packets_total",
                "Packets that a policy denied, by direction seen from the pod, tier, and namespace of the policy.",
                counts.denied.totals),
            family(
                "bulkhead_would_deny_packets_total",
                "Packets (nftables: flows) that passed and that a policy in audit would deny.", counts.wouldDeny.totals),
            policyFamily(), deniedFlowFamily(),
            .counters(
                "bulkhead_invalid_packets_total",
                "Packets dropped for a reason other than a rule: source address not the pod's own (at the hook, at a"
                    + " bridge port), no transport header found, inconsistent tables, tunnel packets to a"
                    + " node, source routing, ICMP errors about flows of others, no IP header found, and packets whose requests decide"
                    + " and that no proxy carries.",
                by: "reason",
                [
                    ("spoofed", counters.spoofed), ("spoofed_at_bridge", status.bridges?.spoofed ?? 0),
                    ("unparsable", counters.unparsable), ("inconsistent", counters.inconsistent),
                    ("tunnel", counters.tunnel), ("source_routed", counters.sourceRouted),
                    ("unrelated_error", counters.unrelatedErrors), ("malformed", counters.malformed),
                    ("hand_over", counters.handOver),
                ]),
            .counter(
                "bulkhead_events_lost_total", "Drop events lost because they were not fetched in time.",
                counters.lostEvents),
            .counter(
                "bulkhead_events_suppressed_total",
                "Drop events not reported: over the rate limit, or a repetition of the same flow.",
                counters.suppressedEvents),
            .counter(
                "bulkhead_flows_left_out_total", "Allowed flows not reported: over the rate limit.",
                counters.flowsLeftOut),
            .counter(
                "bulkhead_flows_lost_total", "Allowed flows whose report was lost because it was not fetched in time.",
                counters.flowsLost),
            .gauge("bulkhead_flow_records", "Flows, drops and requests that the daemon keeps.", recording.ring.count),
            .gauge("bulkhead_event_followers", "Clients that follow events or flows now.", status.followers),
        ]
    }

    private func family(
        _ name: String, _ help: String, _ totals: [PacketLedger.Series: UInt64]
    ) -> MetricFamily {
        MetricFamily(
            name, help, .counter,
            totals.sorted { $0.key < $1.key }.map { series, packets in
                .init(
                    labels: [
                        .init("direction", series.direction.rawValue), .init("tier", series.tier),
                        .init("namespace", series.namespace),
                    ], value: .integer(packets))
            })
    }

    private func policyFamily() -> MetricFamily {
        MetricFamily(
            "bulkhead_denied_packets_by_policy_total",
            "Packets that a policy denied; if no rule allowed a packet, it counts for each policy that isolates the pod.",
            .counter,
            counts.deniedByPolicy.totals.sorted { $0.key < $1.key }.map { series, packets in
                .init(
                    labels: [
                        .init("direction", series.direction.rawValue), .init("kind", series.policy.kind),
                        .init("namespace", series.policy.namespace), .init("policy", series.policy.name),
                    ], value: .integer(packets))
            })
    }

    private func deniedFlowFamily() -> MetricFamily {
        MetricFamily(
            "bulkhead_top_denied_flows",
            "Denied flows and requests reported in the latest five minutes, of the pods with the most.", .gauge,
            recording.denied.greatest(at: .now).map { key, count in
                .init(
                    labels: [
                        .init("direction", key.direction.rawValue), .init("namespace", key.pod.shownNamespace),
                        .init("pod", key.pod.shownName),
                    ], value: .integer(UInt64(count)))
            })
    }

    private func programmingMetrics(_ status: StatusAnswer) -> [MetricFamily] {
        let health = health()
        return [
            .gauge(
                "bulkhead_healthy", "Whether 'bulkheadctl status' says healthy.", status.healthy),
            .gauges(
                "bulkhead_condition",
                "Conditions of the node as a whole: 0 absent, 1 a warning, 2 a problem.", by: "kind",
                StatusCondition.Kind.allCases.map { kind in
                    (kind.rawValue, status.conditions.first { $0.kind == kind }.map { $0.isProblem ? 2 : 1 } ?? 0)
                }),
            .gauge(
                "bulkhead_in_place", "Whether everything that enforces is in place in the kernel.",
                health.missing.isEmpty),
            .gauge(
                "bulkhead_datapath_fallback",
                "Whether eBPF was not possible and nftables enforces instead; the status says why.",
                settings.isFallback),
            .gauge(
                "bulkhead_in_step", "Whether the kernel holds the newest compiled policy.",
                health.behind.isEmpty),
            .histogram(
                "bulkhead_programming_latency_seconds",
                "Time from the arrival of a change until the kernel enforces it, failed attempts included.",
                programming.latency),
            .counter(
                "bulkhead_programming_batches_total", "Batches of changes written to the kernel.",
                UInt64(programming.batches)),
            .counter(
                "bulkhead_programming_failures_total", "Attempts to write to the kernel that failed.",
                UInt64(programming.failures)),
            .counter(
                "bulkhead_drift_repairs_total",
                "Changes by others to Bulkhead's objects in the kernel that were repaired.",
                UInt64(status.datapath.repaired)),
        ]
    }

    private func policyMetrics(_ status: StatusAnswer) -> [MetricFamily] {
        let policies = status.policies
        return [
            .gauges(
                "bulkhead_policies", "Policies in force, and in audit.", by: "enforcement",
                [("enforce", policies.count - policies.audited), ("audit", policies.audited)]),
            .gauge(
                "bulkhead_policies_partial",
                "Policies with parts that are not understood; they deny what these may be meant to deny.",
                policies.partial),
            .gauges(
                "bulkhead_documents_refused", "Documents that are refused now; their previous versions stay in force.",
                by: "source",
                [
                    ("manifests", status.manifests.problems.count),
                    ("guardrails", status.guardrails?.problems.count ?? 0),
                    ("cluster", status.cluster?.problems.count ?? 0),
                ]),
            .gauge("bulkhead_endpoints", "Pods of this node in the tables.", status.tables.endpoints),
            .gauge(
                "bulkhead_endpoints_unprotected", "Pods of this node for which the tables have no room.",
                status.limits.unprotected.count),
            .gauge(
                "bulkhead_endpoints_unknown", "Containers on this node without a known Pod object.",
                policies.unknownEndpoints),
            .gauge(
                "bulkhead_endpoints_without_interface",
                "Pods of this node without an interface that leads to them: policy may not hold for them, and source"
                    + " addresses are not checked.", endpointsWithoutInterface.count),
            .gauge(
                "bulkhead_bridge_problems", "Problems that keep policy from pods behind bridges.",
                status.bridges?.problems.count ?? 0),
        ]
    }

    private func tableMetrics(_ status: StatusAnswer) -> [MetricFamily] {
        let (tables, use) = (status.tables, datapath.tableUse())
        return [
            .gauges(
                "bulkhead_table_entries", "Entries in use, by table.", by: "table",
                [
                    ("endpoints", tables.endpoints), ("rules", tables.rules), ("programs", tables.programs),
                    ("peer_sets", tables.peerSets), ("address_classes", tables.addressClasses),
                    ("port_classes", tables.portClasses), ("addresses", tables.addresses), ("cells", tables.cells),
                ] + use.map { ($0.table, $0.used) }),
            .gauges(
                "bulkhead_table_limit", "Limit of entries, for tables with a limit.", by: "table",
                [
                    ("endpoints", Int(EndpointID.limit) - 1), ("rules", Int(RuleID.limit)),
                    ("address_classes", Int(AddressClassID.limit)),
                ] + use.map { ($0.table, $0.limit) }),
            .gauge(
                "bulkhead_programs_over_limit", "Programs too large for the tables; they deny everything.",
                status.limits.deniedPrograms),
        ]
    }

    private func clusterMetrics(_ status: StatusAnswer) -> [MetricFamily] {
        guard let cluster = status.cluster else { return [] }
        func gauges(_ name: String, _ help: String, _ value: (WatchAnswer) -> Int) -> MetricFamily {
            .gauges(name, help, by: "resource", cluster.watches.map { ($0.resource, value($0)) })
        }
        return [
            .gauge(
                "bulkhead_cluster_complete",
                "Whether all objects of the API server were known once, and are enforced.",
                cluster.complete),
            gauges("bulkhead_watch_objects", "Known objects of the API server.") { $0.objects },
            gauges(
                "bulkhead_watch_silence_seconds",
                "Time since the API server last showed that nothing is missing, which it does at least every 150 s."
            ) { Int($0.secondsSinceSign) },
            gauges("bulkhead_watch_failures", "Failed attempts in a row to follow the API server.") {
                $0.failures
            },
        ]
    }

    /// Updates the sums to the kernel's counters.
    private func takeCounts() {
        guard let reading = try? datapath.ruleCounters() else { return }
        counts.take(reading)
    }

    /// A rule's counter disappears with the rule, so its value is read before.
    func keepCounts(before delta: CompiledDelta) {
        if !delta.removedRules.isEmpty { takeCounts() }
        counts.note(delta, of: pipeline.compiled) { isAudit($0) }
        ruleAges.note(delta, of: pipeline.compiled)
    }

    /// The same before the kernel gets a whole policy. Before the first one, the rules that a previous run counted are
    /// unknown.
    func keepCountsBeforeWhole() {
        if counts.rules.areKnown { takeCounts() }
        counts.note(all: pipeline.compiled) { isAudit($0) }
        ruleAges.note(all: pipeline.compiled)
    }
}
