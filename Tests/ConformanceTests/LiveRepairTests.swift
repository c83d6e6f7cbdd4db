// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing
import WorldKit

extension Live {
    /// What others write into the tables of a running daemon, under traffic: it is found and repaired within a bounded
    /// time, counted, and named.
    @Suite(.serialized) struct RepairTests {
        private static let options = ["--watch-interval", "0.1", "--metrics-address", "127.0.0.1:9469"]
        private static let seconds = 20.0

        /// Runs `body` while pods send what is allowed and what is not.
        private func underTraffic(_ datapath: NetDatapath, _ body: (LiveCluster) throws -> Void) throws {
            try LiveCluster.with(datapath, options: Self.options) { cluster in
                let hammers = try AddressFamily.allCases.flatMap { family in
                    try [("api", "db"), ("idle", "db")].map { from, to in
                        try cluster.hammer(from, to, .udp, 5353, family, everyMicroseconds: 1000)
                    }
                }
                defer { for hammer in hammers { _ = hammer.stop() } }
                try body(cluster)
                let probe = NetProbe(.tcp, to: cluster.world.pod("api").v4, port: 8080)
                #expect(try cluster.ask(probe, from: "idle") == .timeout)
                #expect(try cluster.ask(probe, from: "web") == .answered)
                let metrics = try cluster.world.node.command("curl", "-sS", "http://127.0.0.1:9469/metrics")
                #expect(metrics.contains(/bulkhead_drift_repairs_total [1-9]/), "\(metrics)")
                #expect(metrics.contains(/bulkhead_disagreements_total 0\b/), "\(metrics)")
            }
        }

        private func number(_ name: String, of daemon: NetDaemon) throws -> Int {
            let status = try daemon.get("/v1/status")
            let pattern = try Regex(#""\#(name)" ?: ?([0-9]+)"#, as: (Substring, Substring).self)
            return try #require(status.firstMatch(of: pattern).flatMap { Int($0.1) }, "\(status)")
        }

        /// Until the daemon has repaired something more, and `isRight`.
        private func waitForRepair(
            of what: String, _ daemon: NetDaemon, _ break: () throws -> Void, _ isRight: () throws -> Bool
        ) throws {
            let before = try number("repaired", of: daemon)
            try `break`()
            try NetClock.wait("the repair of \(what); log:\n\(daemon.log.suffix(2000))", seconds: Self.seconds) {
                try isRight() && number("repaired", of: daemon) > before
            }
        }

        @Test func bitsAndLinksOfEBPF() throws {
            try underTraffic(.ebpf) { cluster in
                let (daemon, bpffs) = (cluster.daemon, cluster.world.bpffs)
                let words = try MappedTables(below: bpffs)
                var random = WorldRandom(seed: 11)
                for _ in 0..<5 {
                    let places = words.regions.filter { !$0.isEmpty }.map { random.pick($0) }
                    let right = places.map { words.base[$0] }
                    try waitForRepair(of: "the words \(places)", daemon) {
                        for place in places { words.base[place] ^= 1 << UInt32(random.below(32)) }
                    } _: {
                        places.map { words.base[$0] } == right
                    }
                }
                for _ in 0..<2 {
                    let links = try NetProcess.run(["find", bpffs, "-name", "link*"]).split(separator: "\n").sorted()
                    let link = String(random.pick(links))
                    try waitForRepair(of: link, daemon) {
                        _ = try NetProcess.run(["bpftool", "link", "detach", "pinned", link])
                    } _: {
                        true
                    }
                }
                let verified = try daemon.get("/v1/verify")
                #expect(verified.contains("\"lastRepair\"") && verified.contains("the program at the"), "\(verified)")
            }
        }

        /// Sets and maps with elements, as `nft` names them in commands.
        private static func filled(_ table: String) -> [String] {
            var (names, last) = ([String](), "")
            for line in table.split(separator: "\n") {
                let words = line.split { $0 == " " || $0 == "\t" }
                if words.count == 3, ["set", "map"].contains(words[0]) {
                    last = "\(words[0]) inet bulkhead \(words[1])"
                }
                if words.first == "elements" { names.append(last) }
            }
            return names
        }

        @Test func setsAndRulesOfNFTables() throws {
            try underTraffic(.nftables) { cluster in
                let node = cluster.world.node
                func list() throws -> String { try node.command("nft", "-s", "list", "table", "inet", "bulkhead") }
                /// The order of members and chains is the kernel's.
                func table() throws -> [String] {
                    try list().split { $0.isWhitespace || $0 == "," }.map { String($0) }.sorted()
                }
                let right = try table()
                let filled = Self.filled(try list())
                try #require(filled.count > 3)
                var random = WorldRandom(seed: 12)
                let edits =
                    (0..<4).map { _ in "flush \(random.pick(filled))" } + [
                        "insert rule inet bulkhead forward accept", "flush chain inet bulkhead forward",
                        "add set inet bulkhead foreign { type ipv4_addr; elements = { 192.0.2.1 }; }",
                    ]
                for edit in edits {
                    try waitForRepair(of: edit, cluster.daemon) {
                        try node.command("nft", "-f", "-", input: edit + "\n")
                    } _: {
                        try table() == right
                    }
                }
                let verified = try cluster.daemon.get("/v1/verify")
                #expect(verified.contains("the added set foreign"), "\(verified)")
            }
        }
    }
}
