// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// What the table does over time; needs root.
/// One test at a time: a transaction starts over when another one changes the ruleset, and the tests count its steps.
@Suite(.serialized) struct LifeTests {
    /// The table's words in order: `nft` lists things in the order in which they were made, members in any.
    private static func table() throws -> [Substring] {
        try NetProcess.run(["nft", "list", "table", "inet", "bulkhead"])
            .split { $0.isWhitespace || $0 == "," }.sorted()
    }

    @Test func aRestartedDaemonFindsWhatIsThereAndWritesNothing() throws {
        try withNamespace("adopt") {
            var compiler = PlanCompiler()
            let policy = compiler.compile(.mixed)
            do {
                var first = NFTablesDatapath()
                _ = try first.open()
                _ = try first.resync(policy)
                let web = policy.endpoints.first { $0.value.name.name == "web" }!.key
                try first.setPlace(
                    EndpointPlace(interfaces: [EndpointInterface(index: 1, name: "lo")]), of: web)
            }
            let before = try Self.table()
            var second = NFTablesDatapath()
            let numbering = try second.open()
            // Of rules that only pass, and of such in audit that allow, the table holds no number.
            let enforced = policy.programs.values.flatMap { $0.rules.filter { $0.action != .pass }.map(\.rule) }
            let audited = policy.programs.values.flatMap { $0.auditRules.filter { $0.action == .deny }.map(\.rule) }
            let ends = policy.programs.values.flatMap { Array($0.tierEnds.values) + ($0.auditTierEnds ?? [:]).values }
            let named = Set(enforced + audited + ends)
            #expect(named.count > 10)
            for (id, rule) in policy.rules {
                let found = numbering.rules[rule.key]
                #expect(found == id || found == nil && !named.contains(id), "\(rule)")
            }
            #expect(try second.resync(policy) == ProgramReport())
            #expect(try Self.table() == before)
            #expect(before.contains("\"lo\""))
        }
    }

    @Test func aStartNamesWhatItFound() throws {
        try withNamespace("found") {
            func run() throws -> Takeover {
                var compiler = PlanCompiler()
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                _ = try datapath.resync(compiler.compile(.mixed))
                return datapath.takeover
            }
            #expect(try run() == .nothing)
            #expect(try run() == .whole)
            _ = try NetProcess.run(["nft", "flush chain inet bulkhead forward"])
            #expect(try run() == .part(["the chain forward"]))
            // No hook calls this one.
            _ = try NetProcess.run(["nft", "flush chain inet bulkhead transport-ingress"])
            #expect(try run() == .part(["the chain transport-ingress"]))
            _ = try NetProcess.run(["nft", "add table inet bulkhead { flags dormant; }"])
            #expect(try run() == .part(["the table's activity (it is dormant)"]))
            #expect(try run() == .whole)
            _ = try NetProcess.run(["nft", "delete table inet bulkhead"])
            #expect(try run() == .nothing)
        }
    }

    @Test func aTableThatIsGoneIsMissed() throws {
        try withNamespace("place") {
            var datapath = NFTablesDatapath()
            #expect(throws: DatapathError.self) { try datapath.checkPlace() }
            _ = try datapath.open()
            try datapath.checkPlace()
            _ = try NetProcess.run(["nft", "delete table inet bulkhead"])
            let error = #expect(throws: DatapathError.self) { try datapath.checkPlace() }
            #expect(error == .missing("the nftables table inet bulkhead"))
        }
    }

    @Test(arguments: [
        "delete table inet bulkhead", "flush chain inet bulkhead forward", "flush table inet bulkhead",
        "add rule inet bulkhead forward accept", "insert rule inet bulkhead forward accept",
        "add element inet bulkhead same-pod-ipv4 { 10.0.0.9 . 10.0.0.9 }",
        "flush set inet bulkhead same-pod-ipv6", "flush map inet bulkhead ingress-ipv4",
        "add chain inet bulkhead other { type filter hook forward priority 3; policy drop; }",
        "add set inet bulkhead other { type ipv4_addr; }; add rule inet bulkhead forward ip saddr @other drop",
        "add rule inet bulkhead forward tcp dport { 1, 2 } accept",
        "add chain inet bulkhead forward { policy drop; }",
        "add table inet bulkhead { flags dormant; }",
    ]) func whatOthersChangeIsPutRight(edit: String) throws {
        try withNamespace("drift") {
            var compiler = PlanCompiler()
            let policy = compiler.compile(.mixed)
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            let before = try Self.table()
            try NetProcess.run(["nft", "-f", "-"], input: edit.replacing("; add", with: "\nadd") + "\n")
            #expect(try datapath.resync(policy).repaired > 0)
            #expect(try Self.table() == before)
            #expect(try datapath.resync(policy) == ProgramReport())
        }
    }

    /// As at a start, when the cluster becomes known: others have changed nothing.
    @Test func anotherPolicyIsNoRepair() throws {
        try withNamespace("another") {
            var compiler = PlanCompiler()
            let policy = compiler.compile(.mixed)
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(CompiledPolicy())
            let report = try datapath.resync(policy)
            #expect(report.wordsWritten > 0 && report.repaired == 0)
            // Both at once: the other's change alone is one.
            try NetProcess.run(["nft", "add", "rule", "inet", "bulkhead", "forward", "accept"])
            let both = try datapath.resync(CompiledPolicy())
            #expect((1...2).contains(both.repaired) && both.wordsWritten > 0)
            try NetProcess.run(["nft", "delete", "table", "inet", "bulkhead"])
            #expect(try datapath.resync(policy).repaired > 0)
            #expect(try datapath.resync(policy) == ProgramReport())
        }
    }

    @Test func aStepOnAChangedTableRepairsIt() throws {
        try withNamespace("step") {
            var compiler = PlanCompiler()
            let old = compiler.compile(.mixed)
            var plan = PolicyPlan.mixed
            plan.peers["pods tier=backend in namespace shop"]!.hosts.insert(address("10.9.9.9"))
            let new = compiler.compile(plan)
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(old)
            try NetProcess.run(["nft", "delete", "table", "inet", "bulkhead"])
            _ = try datapath.program(CompiledDelta(from: old, to: new), of: new)
            #expect(try datapath.resync(new) == ProgramReport())
            #expect(try Self.table().contains("10.9.9.9"))
        }
    }

    @Test func uninstallLeavesNothing() throws {
        try withNamespace("uninstall") {
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            #expect(try NFTablesDatapath.uninstall() == ["nftables table inet bulkhead"])
            #expect(try NFTablesDatapath.uninstall() == [])
            #expect(try NetProcess.run(["nft", "list", "ruleset"]).isEmpty)
        }
    }

    @Test func othersTransactionsDoNotGetInTheWay() throws {
        try withNamespace("clash") {
            var compiler = PlanCompiler()
            var plan = PolicyPlan.mixed
            var policy = compiler.compile(plan)
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            #expect(try datapath.isUntouched())
            let others = "while :; do nft add table ip other; nft delete table ip other; done"
            let process = try NetProcess(["sh", "-c", others])
            for number in 0..<300 {
                plan.peers["pods tier=backend in namespace shop"]!.hosts = [IPAddress(v4: UInt32(number + 1))]
                let next = compiler.compile(plan)
                let report = try datapath.program(CompiledDelta(from: policy, to: next), of: next)
                #expect(!report.rebuilt && report.repaired == 0)
                policy = next
            }
            process.signal(9)
            _ = try process.wait()
            // The last `nft` is not its shell.
            NetClock.sleep(milliseconds: 200)
            #expect(try !datapath.isUntouched())
            #expect(try datapath.resync(policy) == ProgramReport())
            #expect(try datapath.isUntouched())
            try NetProcess.run(["nft", "add", "table", "ip", "another"])
            #expect(try !datapath.isUntouched())
        }
    }
}
