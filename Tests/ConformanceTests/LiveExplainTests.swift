// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import Testing

extension Live {
    /// What the daemon explains is what the kernel says, for pods here, elsewhere and outside.
    @Suite(.serialized) struct ExplainTests {
        @Test(arguments: NetDatapath.allCases)
        func theKernelAgrees(_ datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                let ctl = try NetDaemon.executable("bulkheadctl")
                let ends = ["shop/web", "shop/api", "shop/db", "shop/locked", "shop/far", "203.0.113.7"]
                for from in ends {
                    for to in ends where from != to {
                        let asked = try cluster.world.node.start([
                            ctl, "explain", "--socket", cluster.daemon.socket, from, to, "6379/tcp",
                        ])
                        #expect(try asked.wait() == 0, "\(from) to \(to): \(asked.output)")
                        let elsewhere: Set = ["shop/far", "203.0.113.7"]
                        let isHere = !elsewhere.isSuperset(of: [from, to])
                        #expect(asked.output.contains(", as the daemon says\n") == isHere, "\(asked.output)")
                    }
                }
            }
        }
    }
}
