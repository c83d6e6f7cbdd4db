// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// What is written is what is read; needs root.
/// One test at a time: a transaction starts over when another one changes the ruleset, and the tests count its steps.
@Suite(.serialized) struct KernelTableTests {
    @Test func aLoadedTableHasNothingToRepair() throws {
        try withNamespace("load") {
            var compiler = PlanCompiler()
            let policy = compiler.compile(.mixed)
            var datapath = NFTablesDatapath()
            #expect(try datapath.open().rules.isEmpty)
            #expect(try datapath.resync(policy).wordsWritten > 0)
            let again = try datapath.resync(policy)
            #expect(again == ProgramReport())
        }
    }

    @Test func nftListsAndReloadsAllThatIsWritten() throws {
        try withNamespace("reload") {
            for rejects in [false, true] {
                var compiler = PlanCompiler()
                let policy = compiler.compile(.mixed)
                var datapath = NFTablesDatapath(settings: NFTablesSettings(rejects: rejects))
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                let listed = try NetProcess.run(["nft", "list", "table", "inet", "bulkhead"])
                #expect(listed.contains("shop/allow-redis"))
                // But for the options of IPv4, all has a name.
                let unnamed = listed.split(separator: "\n").filter { $0.contains("@nh") || $0.contains("@th") }
                #expect(unnamed.count == 40)
                try NetProcess.run(["nft", "delete", "table", "inet", "bulkhead"])
                try NetProcess.run(["nft", "-f", "-"], input: listed)
                #expect(try NetProcess.run(["nft", "list", "table", "inet", "bulkhead"]) == listed)
                try NFTablesDatapath.uninstall()
            }
        }
    }

    @Test func thePlansTextIsWhatTheKernelHolds() throws {
        func words() throws -> [Substring] {
            try NetProcess.run(["nft", "list", "table", "inet", "bulkhead"])
                .split { $0.isWhitespace || $0 == "," }.sorted()
        }
        try withNamespace("text") {
            var compiler = PlanCompiler()
            let policy = compiler.compile(.mixed)
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            let written = try words()
            try NetProcess.run(["nft", "delete", "table", "inet", "bulkhead"])
            try NetProcess.run(["nft", "-f", "-"], input: "\(PolicyTables(policy).contents)")
            // The comment of the table itself is not in the plan.
            let comment = "comment \"Bulkhead: network policy of this node's pods\"".split(separator: " ")
            #expect(try (comment + words()).sorted() == written)
        }
    }
}
