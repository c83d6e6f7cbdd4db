// SPDX-License-Identifier: Apache-2.0
import Glibc
import KubernetesObjects
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// Packets flow while policies, pods and the daemon change: the verdict on every packet is the old or the new one.
    @Suite struct HammerTests {
        /// A flow of numbered datagrams with what the receiver saw of it.
        private struct Flow {
            let hammer: NetHammer
            let server: NetServer
            let source: IPAddress

            init(_ cluster: LiveCluster, from pod: String, to target: String, family: AddressFamily) throws {
                hammer = try cluster.hammer(pod, target, .udp, 5353, family, everyMicroseconds: 2000)
                server = cluster.server(target)
                source = cluster.world.pod(pod).address(family)
            }

            /// By packet number, when it arrived.
            var arrivals: [UInt64: UInt64] {
                let own = server.arrivals.filter { $0.source == source && $0.port.ipProtocol == .udp }
                return Dictionary(own.map { ($0.number, $0.time) }, uniquingKeysWith: { first, _ in first })
            }
        }

        /// When the gate is open for certain, closed for certain, or on the way from one to the other.
        private struct Timeline {
            struct Change {
                var begun: UInt64
                var inForce: UInt64
                var isOpen: Bool
            }
            var changes: [Change]

            /// Whether the gate may have been in this state at some moment of the time.
            func mayBe(open: Bool, from start: UInt64, to end: UInt64) -> Bool {
                changes.indices.contains { (index: Int) in
                    let begun = changes[index].begun
                    let replaced = index + 1 < changes.count ? changes[index + 1].inForce : .max
                    return changes[index].isOpen == open && begun <= end && start <= replaced
                }
            }
        }

        /// Something else that changes: policies for the pods that the steady flows go to, and pods elsewhere that come
        /// into their peer sets and leave them.
        private static func noise(_ round: Int) -> String {
            let policies = (0..<3).map { number in
                """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: noise-\(number), namespace: shop}
                spec:
                  podSelector: {matchLabels: {app: \(["api", "db", "idle"][number])}}
                  policyTypes: [Ingress]
                  ingress:
                  - from: [{ipBlock: {cidr: 198.51.\(round % 250).0/24}}]
                    ports: [{port: \(1000 + round)}, {port: \(2000 + round), protocol: UDP}]
                """
            }
            let pods = (0..<5).map { number in
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: guest-\(number), namespace: shop, labels: {app: \(round % 2 == 0 ? "api" : "web")}}
                spec: {nodeName: \(number == 0 ? "node" : "node2"), containers: [{name: a, image: a}]}
                status: {phase: Running, podIPs: [{ip: 10.244.9.\((round * 5 + number) % 250)}]}
                """
            }
            return (policies + pods).joined(separator: "\n---\n")
        }

        @Test(arguments: NetDatapath.allCases)
        func everyPacketHasTheOldOrTheNewVerdict(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                var timeline = Timeline(changes: [])
                func setGate(open: Bool) throws {
                    let begun = NetClock.now
                    try cluster.daemon.apply(LiveCluster.gate(open: open))
                    timeline.changes.append(.init(begun: begun, inForce: NetClock.now, isOpen: open))
                }
                try setGate(open: true)
                let families = AddressFamily.allCases
                let steady = try families.flatMap { family in
                    try [("api", "db"), ("web", "api")].map {
                        try Flow(cluster, from: $0.0, to: $0.1, family: family)
                    }
                }
                let never = try families.flatMap { family in
                    try [("idle", "db"), ("locked", "api")].map {
                        try Flow(cluster, from: $0.0, to: $0.1, family: family)
                    }
                }
                let gated = try families.map { try Flow(cluster, from: "api", to: "idle", family: $0) }
                let end = NetClock.now + 6_000_000_000
                var round = 0
                while NetClock.now < end {
                    round += 1
                    try setGate(open: round % 2 == 0)
                    try cluster.daemon.apply(Self.noise(round))
                    let relabeled = ["api", "db", "idle"].map(cluster.world.pod)
                    try cluster.daemon.apply(
                        relabeled.map { LiveCluster.object(of: $0, more: ["round": "r\(round)"]) })
                    if round % 5 == 0 {
                        try cluster.daemon.stop(SIGKILL)
                        NetClock.sleep(milliseconds: 20)
                        try cluster.daemon.start()
                    }
                    NetClock.sleep(milliseconds: 15)
                }
                #expect(round >= 10)
                for flow in steady { try checkSteady(flow) }
                for flow in never {
                    let packets = flow.hammer.stop()
                    #expect(packets.count > 1500)
                    #expect(flow.arrivals.isEmpty, "\(flow.arrivals.count) denied packets got through")
                }
                for flow in gated { check(flow, against: timeline) }
            }
        }

        private func checkSteady(_ flow: Flow) throws {
            let packets = flow.hammer.stop()
            let lost = packets.indices.filter { packets[$0].answered == nil }
            #expect(packets.count > 1500)
            #expect(
                lost.isEmpty, "\(lost.count) of \(packets.count) allowed packets were lost, the first: \(lost.first!)")
        }

        private func check(_ flow: Flow, against timeline: Timeline) {
            let packets = flow.hammer.stop()
            let arrivals = flow.arrivals
            // The kernel judges within the send call; a thread may lose its processor before and after that.
            let slack: UInt64 = 20_000_000
            var wrong: [String] = []
            for (index, packet) in packets.enumerated() {
                let arrived = arrivals[UInt64(index + 1)]
                let end = arrived ?? packet.sent + slack
                if !timeline.mayBe(open: arrived != nil, from: packet.sent, to: end) {
                    let what = arrived == nil ? "was lost while the gate was open" : "got through while it was closed"
                    wrong.append("packet \(index + 1) \(what)")
                }
            }
            #expect(wrong.isEmpty, "\(wrong.count) wrong verdicts: \(wrong.prefix(5))")
            #expect(
                arrivals.count > 200 && arrivals.count < packets.count - 200, "\(arrivals.count) of \(packets.count)")
        }
    }
}
