// SPDX-License-Identifier: Apache-2.0
import Datapath
import DatapathEBPF
import KubernetesObjects
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel

/// What the program in the kernel costs a packet with the marks of steered flows known and without (BPF_PROG_TEST_RUN,
/// in turns). Target: no difference beyond 1 ns.
func benchSteeredHotPath() throws {
    try withPrivateDatapath { datapath in
        let size = HotPathSize(rules: 1, cidrs: 10, pods: 100)
        _ = try datapath.resync(size.policy())
        let baseline = try BaselineProgram()
        for family in [AddressFamily.ipv4, .ipv6] {
            let flow = Flow(
                source: HotPathSize.pod(size.pods - 7, family), destination: HotPathSize.pod(1, family),
                ipProtocol: .tcp, destinationPort: 443)
            let packet = Packet(flow: flow).bytes
            var (base, without, with): ([Double], [Double], [Double]) = ([], [], [])
            for _ in 0..<25 {
                base.append(try baseline.testRun(packet: packet, family: family, repeats: 300_000).nanoseconds)
                try datapath.setSteeringMarks(.none)
                without.append(try datapath.testRun(packet: packet, family: family, repeats: 300_000).nanoseconds)
                try datapath.setSteeringMarks(SteeringMarks(toProxy: 0x10, fromProxy: 0x20))
                with.append(try datapath.testRun(packet: packet, family: family, repeats: 300_000).nanoseconds)
            }
            let (first, second) = (without.median - base.median, with.median - base.median)
            print(
                "\(family) hot path over baseline, ns: no marks \(tenths(first)), marks \(tenths(second)), "
                    + "\(second >= first ? "+" : "")\(tenths(second - first)) (target ±1)")
        }
    }
}

/// Real packets of a flow that is not steered: on a node without steering, and on one that steers another pod's flows.
func benchSteeredLive() throws {
    let world = try NetWorld(pods: ["client", "server", "shop", "proxy"])
    defer { world.close() }
    let path = try LivePath(world)
    let daemon = try NetDaemon(in: world)
    defer { _ = try? daemon.stop() }
    let pods = LivePolicy.pods(world).filter { $0.key.name != "proxy" }
    try daemon.apply(pods + NetRequestProxy.objects(of: world.pod("proxy")))
    try daemon.apply(LivePolicy.manifest(world, cidrs: 1))
    let steering = """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: shop, namespace: default}
        spec: {selector: {matchLabels: {app: shop}}, rules: [{to: [{operation: {methods: [GET]}}]}]}
        """
    try daemon.apply(steering)
    for kind in LivePath.Kind.allCases {
        let slices = try LiveSlices.takeTurns(
            pairs: 10,
            first: {
                try daemon.delete(steering)
                return try path.slice(kind)
            },
            second: {
                try daemon.apply(steering)
                return try path.slice(kind)
            })
        let difference = slices.difference("nothing steered", "another pod's flows")
        print("established \(kind.rawValue) not steered, ns a packet: \(difference)")
    }
}
