// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import NetworkTypes
import PacketKit
import Testing

extension Live {
    /// Tiers on real packets, through the real daemon.
    @Suite(.serialized) struct TierTests {
        @Test(arguments: NetDatapath.allCases) func table(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                try cluster.daemon.apply(LiveTier.objects(cluster.world))
                try cluster.daemon.apply(LiveTier.policies)
                let oracle = try LiveTier.oracle(cluster.world)
                for (row, family) in LiveTier.table.rows {
                    let verdict = oracle.verdict(row.flow(family, in: cluster.world)).verdict
                    #expect((verdict == .deny) == (row.allowed == nil), "\(row), \(family): the oracle")
                }
                #expect(LiveTier.table.rows.count > 70)
                try cluster.check(LiveTier.table)
            }
        }

        @Test(arguments: NetDatapath.allCases) func networkPolicyOnTheOwnNode(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, options: ["--enforce-own-node"]) { cluster in
                try cluster.check(LiveTier.ownNodeTable)
                #expect(try cluster.daemon.get("/v1/status").contains("--enforce-own-node"))
            }
        }

        /// Packets that a policy in audit would deny pass, are counted, and are reported with the rule's name.
        @Test(arguments: NetDatapath.allCases) func auditStopsNothing(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                func staged(_ enforcement: String) -> String {
                    """
                    apiVersion: policy.networking.k8s.io/v1alpha2
                    kind: ClusterNetworkPolicy
                    metadata: {name: staged, annotations: {bulkhead.dev/enforcement: \(enforcement)}}
                    spec:
                      tier: Admin
                      priority: 1
                      subject: {namespaces: {}}
                      egress: [{name: no-redis, action: Deny, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 6379}}}]}]
                    """
                }
                let (api, db) = (cluster.world.pod("api"), cluster.world.pod("db"))
                let probe = NetProbe(.tcp, to: db.v4, port: 6379, milliseconds: 2000)
                try cluster.daemon.apply(staged("audit"))
                let events = try cluster.world.node.start([
                    NetDaemon.executable("bulkheadctl"), "events", "--kind", "audit", "--socket", cluster.daemon.socket,
                ])
                try NetClock.wait("the follower", seconds: 5) {
                    try cluster.daemon.get("/v1/status").firstMatch(of: /"followers" ?: ?1/) != nil
                }
                #expect(try cluster.ask(probe, from: "api") == .answered)
                try NetClock.wait("the packet to be counted", seconds: 2) {
                    try cluster.daemon.get("/v1/counters").firstMatch(of: /"audited" ?: ?[1-9]/) != nil
                }
                let verdict = try cluster.daemon.get("/v1/verdict?from=shop/api&to=shop/db&protocol=TCP&port=6379")
                #expect(verdict.contains("wouldDeny") && verdict.contains("no-redis"), "\(verdict)")
                try NetClock.wait("the event: \(events.output)", seconds: 5) { events.status != nil }
                #expect(events.output.contains("no-redis") && events.output.contains("\(api.v4)"), "\(events.output)")
                try cluster.daemon.apply(staged("enforce"))
                #expect(try cluster.ask(NetProbe(.tcp, to: db.v4, port: 6379), from: "api") == .timeout)
            }
        }

        /// A guardrail from a directory applies to a pod without a known Pod object, from the start of its interface.
        @Test(arguments: NetDatapath.allCases) func guardrailsHoldForUnknownPods(datapath: NetDatapath) throws {
            try NetWorld.with(pods: []) { world in
                let guardrails = "\(world.directory)/guardrails"
                try FileManager.default.createDirectory(atPath: guardrails, withIntermediateDirectories: false)
                try LiveTier.policies.write(toFile: "\(guardrails)/tiers.yaml", atomically: true, encoding: .utf8)
                let server = try world.outside.run {
                    try NetServer(at: [NetAddressing.outside, NetAddressing.metadata], [.init(.tcp, 80)])
                }
                defer { server.stop() }
                let daemon = try NetDaemon(in: world, datapath: datapath, options: ["--guardrails", guardrails])
                defer { _ = try? daemon.stop() }
                let pod = try world.addPod("new")
                try NetClock.wait("the pod to be found", seconds: 5) {
                    try daemon.get("/v1/endpoints").contains("\(pod.v4)")
                }
                func ask(_ address: IPAddress) throws -> NetOutcome {
                    try pod.namespace.run { try NetProbe(.tcp, to: address, port: 80, milliseconds: 600).run() }
                }
                #expect(try ask(NetAddressing.metadata) == .timeout)
                #expect(try ask(NetAddressing.outside) == .answered)
                let kubelet = NetProbe(.tcp, to: NetAddressing.gateways[0], port: 10250)
                #expect(try pod.namespace.run { try kubelet.run() } == .timeout)
            }
        }
    }
}
