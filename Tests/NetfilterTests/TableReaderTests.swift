// SPDX-License-Identifier: Apache-2.0
import Glibc
import KernelErrors
import Netfilter
import NetworkKit
import NetworkTypes
import Synchronization
import Testing

/// What is written to the kernel is what is read back; needs root.
/// One test at a time: a transaction starts over when another one changes the ruleset, and the tests count its steps.
@Suite(.serialized) struct TableReaderTests {
    private static func with(_ body: (NetfilterSocket, TableReader) throws -> Void) throws {
        NetNamespace.sweep()
        let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-netfilter")
        try NetProcess.run(["ip", "netns", "add", namespace.name])
        defer { namespace.remove() }
        try namespace.run {
            let socket = try NetfilterSocket()
            try body(socket, TableReader(Example.identity, socket))
        }
    }

    @Test func aWrittenTableDiffersInNothing() throws {
        try Self.with { socket, reader in
            #expect(try reader.read() == nil && !reader.exists())
            let contents = Example.contents()
            try socket.commit(Transaction(replacing: contents), to: Example.identity)
            let read = try #require(try reader.read())
            #expect(read.objects["dropped"]?.userData.value(of: UserData.mark) == [1, 2, 3])
            #expect(try Transaction.difference(from: read, to: contents, socket).isEmpty)
            for set in contents.sets.values {
                #expect(try reader.members(of: set.shape) == set.members, "\(set.shape.name)")
            }
            try Example.identity.remove(socket)
            #expect(try !reader.exists())
            try Example.identity.remove(socket)
        }
    }

    @Test func onlyTheTableThatIsNamedIsRead() throws {
        try Self.with { socket, reader in
            let other = TableIdentity(.inet, "bulkhead-other")
            for table in [Example.identity, other, TableIdentity(.bridge, Example.identity.name)] {
                var contents = TableContents(table)
                contents.chains[table.name] = TableChain(table.name)
                try socket.commit(Transaction(replacing: contents), to: table)
            }
            let read = try #require(try reader.read())
            #expect(read.chains.keys.sorted() == [Example.identity.name])
            try Example.identity.remove(socket)
            #expect(try TableReader(other, socket).exists())
        }
    }

    /// What others did to the table, and what repairs it.
    @Test(arguments: [
        ("flush chain inet bulkhead-example end", "rewritten end"),
        ("add rule inet bulkhead-example forward accept", "rewritten forward"),
        ("delete element inet bulkhead-example addresses { 10.0.0.1 }", "added addresses"),
        ("add element inet bulkhead-example addresses { 10.0.0.9 }", "removed addresses"),
        ("flush set inet bulkhead-example ranges", "emptied ranges added ranges"),
        ("add chain inet bulkhead-example others", "removed others"),
        ("add counter inet bulkhead-example others", "removed others"),
        ("add table inet bulkhead-example { flags dormant; }", "replaced"),
        ("delete table inet bulkhead-example", "replaced"),
        ("add table inet others", ""),
    ])
    func driftIsFoundAndPutRight(command: String, repair: String) throws {
        try Self.with { socket, reader in
            let contents = Example.contents()
            try socket.commit(Transaction(replacing: contents), to: Example.identity)
            let before = try TableReader.generation(socket)
            try NetProcess.run(["nft", command])
            #expect(try TableReader.generation(socket) != before)
            let step = try Transaction.difference(from: reader.read(), to: contents, socket)
            #expect(Self.words(step) == repair)
            for part in step.parts { try socket.commit(part, to: Example.identity) }
            #expect(try Transaction.difference(from: reader.read(), to: contents, socket).isEmpty)
        }
    }

    private static func words(_ step: Transaction) -> String {
        guard !step.replacesTable else { return "replaced" }
        let words =
            step.rewrittenChains.map { "rewritten \($0.name)" } + step.emptiedSets.map { "emptied \($0.name)" }
            + step.removedMembers.map { "removed \($0.shape.name)" }
            + step.addedMembers.map { "added \($0.shape.name)" }
            + step.removedChains.map { "removed \($0)" } + step.removedObjects.map { "removed \($0.name)" }
        return words.joined(separator: " ")
    }

    /// A transaction is all or nothing, and its error names the message that the kernel refused.
    @Test func aRefusedTransactionNamesItsStep() throws {
        try Self.with { socket, reader in
            var contents = Example.contents()
            contents.chains["lost"] = TableChain("lost", rules: [TableRule([.verdict(.go("nowhere"))])])
            let error = #expect(throws: KernelError.self) {
                try socket.commit(Transaction(replacing: contents), to: Example.identity)
            }
            guard case .system(let operation, ENOENT, _) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(operation == "add a rule to the chain lost")
            #expect(error?.lack?.code == ENOENT)
            let exists = try reader.exists()
            #expect(!exists)
        }
    }

    /// More members than one message holds.
    @Test func manyMembers() throws {
        try Self.with { socket, reader in
            var contents = TableContents(Example.identity)
            let hosts = Set((0..<5000).map { IPAddress(v4: 0x0a00_0000 + $0) })
            contents.sets["many"] = TableSet(SetShape(name: "many", fields: [.source(.ipv4)]), .addresses(hosts))
            try socket.commit(Transaction(replacing: contents), to: Example.identity)
            // While the kernel grows the set's hash table, a listing may lack members.
            try NetClock.wait("all members", seconds: 5) {
                try reader.members(of: contents.sets["many"]!.shape) == .addresses(hosts)
            }
        }
    }

    /// The follower reports changes of our tables, and none of the tables of others.
    @Test func changesAreReported() throws {
        try Self.with { socket, _ in
            let heard = Mutex(0)
            let follower = try RulesetFollower { heard.withLock { $0 += 1 } }
            defer { follower.stop() }
            for name in ["others", "some-bulkhead"] { try NetProcess.run(["nft", "add", "table", "inet", name]) }
            try NetProcess.run(["nft", "add", "table", "inet", "bulkhead-marker"])
            // Reports come in order: had one of the others' been reported, it would have come before.
            try NetClock.wait("the marker", seconds: 2) { heard.withLock { $0 } > 0 }
            #expect(heard.withLock { $0 } == 1)
            try Example.identity.remove(socket)
            try socket.commit(Transaction(replacing: Example.contents()), to: Example.identity)
            try NetClock.wait("our own change", seconds: 2) { heard.withLock { $0 } > 1 }
        }
    }
}
