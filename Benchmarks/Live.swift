// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes

/// Real packets from pod to pod over veth pairs, routed through a node with connection tracking on: what a packet costs
/// more with policy than without, in slices that take turns.
func benchLive() throws {
    let world = try NetWorld(pods: ["client", "server"])
    defer { world.close() }
    let path = try LivePath(world)
    print("established flows, ns a packet: without a program, with policy in both directions, the difference")
    for kind in LivePath.Kind.allCases {
        let slices = try LiveSlices.takeTurns(
            pairs: 20,
            first: {
                try LivePolicy.remove(world)
                return try path.slice(kind)
            },
            second: {
                let daemon = try LivePolicy.install(world, cidrs: 1)
                defer { _ = try? daemon.stop() }
                return try path.slice(kind)
            })
        print("  \(kind.rawValue): \(slices.difference("without", "with"))")
    }

    print("new UDP flows, ns a flow: policy with 1 CIDR, with 100,000, the difference")
    try LivePolicy.remove(world)
    let daemon = try LivePolicy.install(world, cidrs: 1)
    defer { _ = try? daemon.stop() }
    let (few, many) = (LivePolicy.manifest(world, cidrs: 1), LivePolicy.manifest(world, cidrs: 100_000))
    let slices = try LiveSlices.takeTurns(
        pairs: 6,
        first: {
            try daemon.apply(few)
            return try path.newFlows(slices: 12)
        },
        second: {
            try daemon.apply(many)
            return try path.newFlows(slices: 12)
        })
    print("  new flows: \(slices.difference("1 CIDR", "100,000 CIDRs"))")
}

/// Slices of two kinds, measured by turns, so that what else the machine does meets both.
struct LiveSlices {
    /// Nanoseconds a packet.
    var first: [Double] = []
    var second: [Double] = []

    static func takeTurns(
        pairs: Int, first: () throws -> [Double], second: () throws -> [Double]
    ) throws -> LiveSlices {
        var slices = LiveSlices()
        for _ in 0..<pairs {
            slices.first += try first()
            slices.second += try second()
        }
        return slices
    }

    func difference(_ firstName: String, _ secondName: String) -> String {
        func figures(_ name: String, _ of: ([Double]) -> Double) -> String {
            let (before, after) = (of(first), of(second))
            return "\(name) \(Int(before)) \(Int(after)) (\(after >= before ? "+" : "")\(Int(after - before)))"
        }
        let least = figures("minimum") { $0.min()! }
        let middle = figures("median", \.median)
        return "\(firstName) and \(secondName): \(least), \(middle); \(first.count) slices each"
    }
}
