// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// The order of policies changes while packets flow.
    @Suite struct PriorityTests {
        /// A change of policy, while packets were under way.
        private struct Turn {
            var begun: UInt64
            var done: UInt64
            /// Whether packets pass from then on.
            var isOpen: Bool

            init(isOpen: Bool, _ change: () throws -> Void) throws {
                begun = NetClock.now
                try change()
                done = NetClock.now
                self.isOpen = isOpen
            }
        }

        /// A flow goes or stops with the order of two policies, in the middle of its life.
        @Test(arguments: NetDatapath.allCases) func prioritiesChangeLive(datapath: NetDatapath) throws {
            func policy(_ name: String, _ priority: Int, _ action: String) -> String {
                """
                apiVersion: policy.networking.k8s.io/v1alpha2
                kind: ClusterNetworkPolicy
                metadata: {name: \(name)}
                spec:
                  tier: Admin
                  priority: \(priority)
                  subject: {namespaces: {}}
                  ingress:
                  - action: \(action)
                    from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}}]
                ---

                """
            }
            try LiveCluster.with(datapath) { cluster in
                try cluster.daemon.apply(policy("first", 10, "Deny") + policy("second", 20, "Accept"))
                let stopped = try cluster.hammer("api", "locked", .udp, 5353, .ipv4, everyMicroseconds: 1000)
                let kept = try cluster.hammer("web", "api", .udp, 5353, .ipv6, everyMicroseconds: 1000)
                var turns: [Turn] = []
                for isOpen in [true, false, true, false] {
                    NetClock.sleep(milliseconds: 250)
                    turns.append(
                        try Turn(isOpen: isOpen) {
                            try cluster.daemon.apply(policy("second", isOpen ? 5 : 20, "Accept"))
                        })
                }
                NetClock.sleep(milliseconds: 250)
                Self.check(stopped.stop(), turns)
                #expect(kept.stop().allSatisfy { $0.answered != nil })
            }
        }

        private static func check(_ packets: [NetHammer.Packet], _ turns: [Turn]) {
            let before = packets.filter { $0.sent < turns[0].begun }
            #expect(before.count > 50)
            #expect(before.allSatisfy { $0.answered == nil })
            for (number, turn) in turns.enumerated() {
                // An answer under way at the next turn may come too late for it.
                let end = number + 1 < turns.count ? turns[number + 1].begun - 20_000_000 : UInt64.max
                let sent = packets.filter { $0.sent > turn.done && $0.sent < end }
                let wrong = sent.filter { ($0.answered != nil) != turn.isOpen }
                let times = wrong.map { ($0.sent - turn.done) / 1_000_000 }
                #expect(sent.count > 50)
                #expect(times.isEmpty, "of \(sent.count), after turn \(number): \(times) ms")
            }
        }
    }
}
