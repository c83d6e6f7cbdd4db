// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes

/// What a packet costs from pod to pod, by how many peers and policies there are and by who enforces them. All
/// deciders of a row stand ready at once, each in a network of its own, and are measured by turns.
func benchLiveTable() throws {
    print(
        """
        UDP of 64 bytes (a new flow: 1) between two pods of a node, routed over veth pairs, connection tracking on in
        all columns. Nanoseconds a packet, minimum (median) of slices that take turns. All policies select the receiver;
        the last one asked names the sender among its peers. After the comma: what the minimum is above that without
        policy, and how many times. The last column is the work of \(LiveDecider.iptablesVersion).

        | flow | policies | peers | \(LiveDecider.allCases.map(\.rawValue).joined(separator: " | ")) |
        |---|--:|--:|\(String(repeating: "--:|", count: LiveDecider.allCases.count))
        """)
    for policies in [1, 1000] {
        for peers in [1, 1000, 100_000] { try LiveRow(policies: policies, peers: peers).measure() }
    }
}

/// Who enforces.
enum LiveDecider: String, CaseIterable {
    case none = "no policy"
    case ebpf = "eBPF"
    case nftables
    case ipset = "iptables + ipset"

    func install(_ world: NetWorld, policies: Int, peers: Int) throws {
        switch self {
        case .none: return
        case .ebpf: try LivePolicy.install(world, cidrs: peers, policies: policies).stop()
        case .nftables: try LivePolicy.install(world, .nftables, cidrs: peers, policies: policies).stop()
        case .ipset: try IPSetRules(world: world, peers: peers, policies: policies).install()
        }
    }

    static var iptablesVersion: String {
        let line = (try? NetProcess.run(["iptables", "--version"])) ?? "iptables"
        return String(line.prefix { $0 != "\n" })
    }
}

private struct LiveRow {
    let policies: Int
    let peers: Int

    private static let rounds = 8
    private static let newFlowSlices = 4

    func measure() throws {
        var worlds: [NetWorld] = []
        defer { for world in worlds { world.close() } }
        var paths: [LivePath] = []
        for decider in LiveDecider.allCases {
            let world = try NetWorld(pods: ["client", "server"])
            worlds.append(world)
            try decider.install(world, policies: policies, peers: peers)
            paths.append(try LivePath(world))
        }
        var new = [[Double]](repeating: [], count: paths.count)
        var established = new
        for round in 0..<Self.rounds {
            for place in paths.indices {
                // Who comes first differs from round to round.
                let decider = (place + round) % paths.count
                established[decider] += try paths[decider].slice(.udp)
                new[decider] += try paths[decider].newFlows(slices: Self.newFlowSlices)
            }
        }
        line("new", new)
        line("established", established)
    }

    private func line(_ flow: String, _ slices: [[Double]]) {
        let least = slices.map { $0.min()! }
        let cells = slices.indices.map { index in
            let figures = "\(Int(least[index])) (\(Int(slices[index].median)))"
            if index == 0 { return figures }
            let ratio = (least[index] / least[0] * 100).rounded() / 100
            let more = Int(least[index] - least[0])
            return "\(figures), \(more < 0 ? "" : "+")\(more), ×\(ratio)"
        }
        print("| \(flow) | \(policies) | \(peers) | \(cells.joined(separator: " | ")) |")
        fflush(nil)
    }
}
