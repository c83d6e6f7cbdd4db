// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// What stays in the kernel without the daemon, what a new daemon takes over, and that nothing is left at the end.
    @Suite(.serialized) struct LifeTests {
        private func outcome(_ cluster: LiveCluster, from pod: String, to target: String) throws -> NetOutcome {
            let probe = NetProbe(.tcp, to: cluster.world.pod(target).v4, port: 8080)
            return try cluster.ask(probe, from: pod)
        }

        @Test(arguments: NetDatapath.allCases) func enforcementOutlivesTheDaemon(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                func check(_ when: String) throws {
                    #expect(try outcome(cluster, from: "web", to: "api") == .answered, "\(when)")
                    #expect(try outcome(cluster, from: "idle", to: "api") == .timeout, "\(when)")
                }
                try check("at first")
                let before = try installed(cluster)
                try cluster.daemon.stop(SIGKILL)
                try check("after kill -9")
                try cluster.daemon.start()
                try check("after a restart")
                #expect(try installed(cluster) == before, "the new daemon adopts what it finds")
                #expect(try cluster.daemon.stop(SIGTERM) == 0)
                try check("after a graceful stop")
            }
        }

        @Test(arguments: NetDatapath.allCases) func uninstallLeavesNothing(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                let objects = try pinned(cluster)
                #expect(objects.count > 3 || datapath == .nftables)
                let ruleset = try cluster.world.node.command("nft", "list", "ruleset")
                #expect(ruleset.contains("table inet \(datapath == .ebpf ? "bulkhead-tracking" : "bulkhead") {"))
                // What is enforced would be put back by the daemon that runs.
                #expect(throws: (any Error).self) { try NetDaemon.uninstall(from: cluster.world) }
                #expect(try outcome(cluster, from: "idle", to: "api") == .timeout)
                try cluster.daemon.stop()
                try NetDaemon.uninstall(from: cluster.world)
                // A kernel with BPF_PRELOAD puts two iterators of its own, *.debug, into each bpffs.
                #expect(try names(in: cluster.world.bpffs).filter { !$0.hasSuffix(".debug") } == [])
                let left = try cluster.world.node.command("nft", "list", "ruleset")
                #expect(!left.contains("bulkhead"))
                #expect(left.contains("table ip kube-proxy"), "other tables stay")
                // The kernel frees maps and links after a grace period.
                for object in objects {
                    try NetClock.wait("the end of \(object)", seconds: 5) {
                        let words = object.split(separator: " ").map(String.init)
                        let show = try NetProcess(["bpftool", words[0], "show", "id", words[1]])
                        return try show.wait() != 0
                    }
                }
                #expect(try outcome(cluster, from: "idle", to: "api") == .answered)
            }
        }

        /// What the kernel holds for us, each object under the number that it has as long as it lives.
        private func installed(_ cluster: LiveCluster) throws -> Set<String> {
            guard cluster.daemon.datapath == .nftables else { return try pinned(cluster) }
            let table = try cluster.world.node.command("nft", "--handle", "list", "table", "inet", "bulkhead")
            let handled = table.split(separator: "\n").filter { $0.contains(" # handle ") }
            // Counters' values do not count.
            return Set(handled.map { String($0).replacing(/packets [0-9]+ bytes [0-9]+/, with: "") })
        }

        /// `map N`, `link N`, `prog N` of everything that is pinned.
        private func pinned(_ cluster: LiveCluster) throws -> Set<String> {
            guard cluster.daemon.datapath == .ebpf else { return [] }
            let files = try NetProcess.run(["find", "\(cluster.world.bpffs)/bulkhead", "-type", "f"]).split(
                separator: "\n")
            return Set(
                try files.map { file in
                    for kind in ["map", "link", "prog"] {
                        let show = try NetProcess(["bpftool", "--json", kind, "show", "pinned", String(file)])
                        guard try show.wait() == 0 else { continue }
                        if let match = show.output.firstMatch(of: /"id": ?([0-9]+)/) { return "\(kind) \(match.1)" }
                    }
                    throw NetError.missing("what bpftool knows of \(file)")
                })
        }

        private func names(in directory: String) throws -> [String] {
            try NetProcess.run(["ls", "-A", directory]).split(separator: "\n").map(String.init)
        }
    }
}
