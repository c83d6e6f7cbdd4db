// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// Which datapath is taken, what denied packets get, and what becomes of the changes of others.
    @Suite(.serialized) struct DatapathTests {
        private func status(_ world: NetWorld, _ arguments: [String], _ check: (String) throws -> Void) throws {
            let socket = "\(world.directory)/choice.sock"
            let daemon = try world.node.start(
                arguments + ["--node-name", NetDaemon.nodeName, "--bpffs", world.bpffs, "--socket", socket])
            defer { _ = try? daemon.stop() }
            let ask = ["curl", "--silent", "--fail", "--unix-socket", socket, "http://localhost/v1/status"]
            var answer = ""
            try NetClock.wait("bulkheadd to answer; its log:\n\(daemon.output)", seconds: 20) {
                answer = (try? NetProcess.run(ask)) ?? ""
                return !answer.isEmpty
            }
            try check(answer)
        }

        @Test func autoTakesWhatTheKernelCan() throws {
            try NetWorld.with(pods: ["web"]) { world in
                let daemon = try NetDaemon.executable("bulkheadd")
                try status(world, [daemon]) { answer in
                    #expect(answer.contains(#""kind":"ebpf""#), "\(answer)")
                    #expect(answer.contains("netfilter links"), "\(answer)")
                }
                // Without the right to load programs, the kernel is like one that has none.
                let without = ["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin", daemon]
                try status(world, without) { answer in
                    #expect(answer.contains(#""kind":"nftables""#), "\(answer)")
                    #expect(answer.contains("lacks netfilter programs (Operation not permitted)"), "\(answer)")
                }
                #expect(try NetProcess.run(["ls", world.bpffs]).contains("bulkhead") == false)
                // Who asks for eBPF gets no other.
                let asked = try world.node.start(
                    without + ["--datapath", "ebpf", "--node-name", "n", "--bpffs", world.bpffs])
                #expect(try asked.wait() == 1)
            }
        }

        /// Whatever does not work on the way to packets being judged, nftables judges them.
        @Test func whatCannotBePinnedLeadsToNFTables() throws {
            try NetWorld.with(pods: ["web"]) { world in
                let daemon = try NetDaemon.executable("bulkheadd")
                let readOnly = [
                    "unshare", "-m", "sh", "-c", #"mount -o remount,bind,ro "$0" && exec "$@""#, world.bpffs, daemon,
                ]
                try status(world, readOnly) { answer in
                    #expect(answer.contains(#""kind":"nftables""#), "\(answer)")
                    #expect(answer.contains("eBPF is not available: creating \(world.bpffs)"), "\(answer)")
                    #expect(answer.contains("read-only file system (errno 30)"), "\(answer)")
                    #expect(answer.contains(#""state":"programmed""#) && answer.contains(#""problems":[],"pushed""#))
                }
                let asked = try world.node.start(
                    readOnly + [
                        "--datapath", "ebpf", "--node-name", "n", "--bpffs", world.bpffs, "--socket",
                        "\(world.directory)/asked.sock",
                    ])
                #expect(try asked.wait() == 1)
                #expect(asked.output.contains("read-only file system"), "\(asked.output)")
            }
        }

        /// One daemon a network namespace, whatever its datapath, socket and BPF file system.
        @Test(arguments: NetDatapath.allCases, NetDatapath.allCases)
        func aSecondDaemonIsRefused(first: NetDatapath, second: NetDatapath) throws {
            try LiveCluster.with(first) { cluster in
                let world = cluster.world
                let other = try world.node.start([
                    try NetDaemon.executable("bulkheadd"), "--node-name", "n", "--datapath", second.rawValue, "--bpffs",
                    world.bpffs, "--socket", "\(world.directory)/second.sock",
                ])
                #expect(try other.wait() == 1)
                #expect(other.output.contains("another bulkheadd (pid \(cluster.daemon.pid))"), "\(other.output)")
                #expect(other.output.contains("stop it first"), "\(other.output)")
                let ctl = try NetDaemon.executable("bulkheadctl")
                let uninstall = try world.node.start([ctl, "uninstall", "--bpffs", world.bpffs])
                #expect(try uninstall.wait() != 0)
                #expect(uninstall.output.contains("stop it first"), "\(uninstall.output)")
                let probe = NetProbe(.tcp, to: world.pod("api").v4, port: 8080)
                #expect(try cluster.ask(probe, from: "idle") == .timeout)
                #expect(try cluster.ask(probe, from: "web") == .answered)
            }
        }

        /// The message names what must be changed.
        @Test func whatIsMissingAtTheStartIsNamed() throws {
            try NetWorld.with(pods: []) { world in
                let daemon = try NetDaemon.executable("bulkheadd")
                let common = [
                    "--node-name", "n", "--datapath", "nftables", "--socket", "\(world.directory)/start.sock",
                ]
                func output(_ wrapper: [String], _ arguments: [String]) throws -> String {
                    let process = try world.node.start(wrapper + [daemon] + common + arguments)
                    #expect(try process.wait() == 1)
                    return process.output
                }
                let nowhere = try output([], ["--manifests", "/nowhere"])
                #expect(nowhere.contains("--manifests /nowhere: No such file or directory; create the directory"))
                let file = try output([], ["--guardrails", "/etc/passwd"])
                #expect(file.contains("--guardrails /etc/passwd is not a directory"), "\(file)")
                #expect(file.contains("bulkheadd cannot start"), "\(file)")
                let unable = try output(["setpriv", "--bounding-set=-net_admin,-sys_admin"], [])
                #expect(unable.contains("operation not permitted (errno 1)"), "\(unable)")
                #expect(unable.contains("grant CAP_NET_ADMIN"), "\(unable)")
            }
        }

        @Test func deniedPacketsAreAnsweredWhereAsked() throws {
            try LiveCluster.with(.nftables) { cluster in
                let api = cluster.world.pod("api")
                func outcomes() throws -> [NetOutcome] {
                    try AddressFamily.allCases.flatMap { family in
                        try [IPProtocol.tcp, .udp].map { ipProtocol in
                            try cluster.ask(
                                NetProbe(ipProtocol, to: api.address(family), port: 5353, milliseconds: 1000),
                                from: "idle")
                        }
                    }
                }
                #expect(try outcomes().allSatisfy { $0 == .timeout })
                try cluster.daemon.stop()
                let rejecting = try NetDaemon(
                    in: cluster.world, datapath: .nftables,
                    options: ["--manifests", cluster.world.manifests, "--reject"])
                defer { _ = try? rejecting.stop() }
                #expect(try outcomes().allSatisfy { $0 == .refused || $0 == .unreachable })
                #expect(try cluster.ask(NetProbe(.tcp, to: api.v4, port: 8080), from: "web") == .answered)
            }
        }

        @Test func whatOthersChangeIsPutRightSoon() throws {
            try LiveCluster.with(.nftables) { cluster in
                try cluster.daemon.stop()
                let watching = try NetDaemon(
                    in: cluster.world, datapath: .nftables,
                    options: ["--manifests", cluster.world.manifests, "--watch-interval", "0.2"])
                defer { _ = try? watching.stop() }
                let probe = NetProbe(.tcp, to: cluster.world.pod("api").v4, port: 8080)
                let edits = [
                    "delete table inet bulkhead", "insert rule inet bulkhead forward accept",
                    "flush chain inet bulkhead forward",
                ]
                for edit in edits {
                    let before = try repaired(watching)
                    try cluster.world.node.command("nft", "-f", "-", input: edit + "\n")
                    try NetClock.wait("the repair after '\(edit)'", seconds: 5) { try repaired(watching) > before }
                    #expect(try cluster.ask(probe, from: "idle") == .timeout, "\(edit)")
                    #expect(try cluster.ask(probe, from: "web") == .answered, "\(edit)")
                }
                #expect(watching.log.contains("others had changed the tables"))
                // Other programs' own tables do not matter.
                let before = try repaired(watching)
                try cluster.world.node.command("nft", "add", "table", "ip", "other")
                NetClock.sleep(milliseconds: 600)
                #expect(try repaired(watching) == before)
            }
        }

        private func repaired(_ daemon: NetDaemon) throws -> Int {
            let status = try daemon.get("/v1/status")
            return try #require(status.firstMatch(of: /"repaired" ?: ?([0-9]+)/).flatMap { Int($0.1) }, "\(status)")
        }
    }
}
