// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel
import Testing

/// Units to classes to entries, step by step. A row reads `address or prefix {sets} class`; without an entry of its own
/// it has none, and inherits.
@Suite struct AddressPartitionTests {
    private struct Scene {
        var partition = AddressPartition(numbering: Numbering())
        /// What the last step did: `+` made, `<` split off, `=` renamed, `-` removed.
        private(set) var did: [String] = []

        init(_ parts: Part...) { step(parts) }

        mutating func callAsFunction(_ parts: Part...) { step(parts) }

        private mutating func step(_ parts: [Part]) {
            let change = ResolvedChange(parts)
            var step = PartitionStep()
            partition.settle(&step)
            partition.add(change, &step)
            partition.update(change, &step)
            partition.finish(&step)
            did = step.created.map { "+\($0)" } + step.split.map { "\($0.new)<\($0.from)" }
            did += step.renamed.sorted().map { "=\($0)" } + step.removed.sorted().map { "-\($0)" }
        }

        func row(_ text: String) -> String {
            let prefix = cidr(text.contains("/") ? text : text + (text.contains(":") ? "/128" : "/32"))
            let entry = prefix.isHost ? partition.entry(of: prefix.network) : partition.entry(ofPrefix: prefix)
            guard let number = entry?.addressClass.rawValue else { return text }
            let sets = partition.classes[Int(number)].peerSets.map { "\($0.rawValue)" }.joined(separator: " ")
            return "\(text) {\(sets)} \(number)"
        }

        func rows(_ texts: String...) -> [String] { texts.map(row) }
    }

    // MARK: Groups of pods

    @Test func addressesOfOneGroupAreOneClass() {
        let scene = Scene(.add(1, .pods), .group(7, [1]), .addresses(["10.0.0.1", "fd00::1"], 7))
        #expect(scene.rows("10.0.0.1", "fd00::1", "10.0.0.2") == ["10.0.0.1 {1} 64", "fd00::1 {1} 64", "10.0.0.2"])
        #expect(scene.did == ["+64"])
    }

    @Test func groupsOfTheSameSetsShareAClass() {
        let scene = Scene(
            .add(1, .pods), .group(7, [1]), .group(8, [1]), .addresses(["10.0.0.1"], 7), .addresses(["10.0.0.2"], 8))
        #expect(scene.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1 {1} 64", "10.0.0.2 {1} 64"])
    }

    /// A new set splits the class; the part with more addresses keeps the number, so that fewer entries are written.
    @Test func theGreaterPartOfASplitKeepsTheNumber() {
        var scene = Scene(
            .add(1, .pods), .group(7, [1]), .group(8, [1]), .addresses(["10.0.0.1"], 7),
            .addresses(["10.0.0.2", "10.0.0.3"], 8))
        var other = scene
        scene(.add(2, .pods), .group(7, [1, 2]))
        #expect(scene.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1 {1 2} 65", "10.0.0.2 {1} 64"])
        #expect(scene.did == ["65<64"])
        other(.add(2, .pods), .group(8, [1, 2]))
        #expect(other.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1 {1} 65", "10.0.0.2 {1 2} 64"])
        #expect(other.did == ["65<64", "=64"])
    }

    /// A set that died is in the classes until the next step.
    @Test func classesThatBecomeEqualMergeOneStepLater() {
        var scene = Scene(
            .add(1, .pods), .add(2, .pods), .group(7, [1, 2]), .group(8, [1]), .addresses(["10.0.0.1"], 7),
            .addresses(["10.0.0.2", "10.0.0.3"], 8))
        scene(.remove(2), .group(7, [1]))
        #expect(scene.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1 {1 2} 64", "10.0.0.2 {1} 65"])
        #expect(scene.partition.needsSettling)
        scene()
        #expect(scene.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1 {1} 65", "10.0.0.2 {1} 65"])
        #expect(scene.did == ["-64"])
        #expect(!scene.partition.needsSettling)
    }

    @Test func aGroupThatMovesToLiveSetsMovesAtOnce() {
        var scene = Scene(
            .add(1, .pods), .add(2, .pods), .group(7, [1]), .group(8, [2]), .addresses(["10.0.0.1"], 7),
            .addresses(["10.0.0.2"], 8))
        scene(.group(7, [2]))
        #expect(scene.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1 {2} 65", "10.0.0.2 {2} 65"])
        #expect(scene.did == ["-64"])
    }

    @Test func aGroupWithoutSetsHasNoEntries() {
        var scene = Scene(.add(1, .pods), .group(7, [1]), .addresses(["10.0.0.1", "10.0.0.2"], 7))
        scene(.addresses(["10.0.0.1"], 0))
        #expect(scene.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1", "10.0.0.2 {1} 64"])
        scene(.group(7, []))
        #expect(scene.rows("10.0.0.1", "10.0.0.2") == ["10.0.0.1", "10.0.0.2"])
        #expect(scene.did == ["-64"])
    }

    // MARK: Blocks

    @Test(arguments: [
        (["10.0.0.0/8"], "10.9.9.9", [1]), (["10.0.0.0/8"], "11.0.0.0", []),
        (["10.0.0.0/8 except 10.1.0.0/16"], "10.1.2.3", []), (["10.0.0.0/8 except 10.1.0.0/16"], "10.2.2.3", [1]),
        (["10.0.0.0/8 except 10.1.0.0/16", "10.1.2.0/24"], "10.1.2.3", [1]),
        (["10.0.0.0/8 except 10.1.0.0/16", "10.1.2.0/24"], "10.1.3.3", []),
        (["10.0.0.0/8 except 10.0.0.0/9 10.128.0.0/9"], "10.200.0.1", []), (["0.0.0.0/0"], "8.8.8.8", [1]),
        (["0.0.0.0/0"], "fd00::1", []), (["::/0 except fd00::/8"], "fd00::1", []),
        (["::/0 except fd00::/8"], "fe80::1", [1]),
    ])
    func blocksLessTheirExcepts(_ blocks: [String], _ text: String, sets: [UInt32]) {
        let description = PeerSetDescription(description: "", blocks: blocks.map(block))
        let scene = Scene(.add(1, description))
        let node = scene.partition.nodes.longest(address(text))
        #expect(scene.partition.nodes.nodes[Int(node)].sets.map(\.rawValue) == sets)
    }

    @Test func aPodInsideABlockIsInBothSets() {
        let scene = Scene(
            .add(1, .pods), .add(2, .blocks("10.0.0.0/24")), .group(7, [1]),
            .addresses(["10.0.0.1", "10.0.1.1"], 7))
        #expect(
            scene.rows("10.0.0.0/24", "10.0.0.1", "10.0.1.1") == [
                "10.0.0.0/24 {2} 64", "10.0.0.1 {1 2} 65", "10.0.1.1 {1} 66",
            ])
    }

    /// The node of a prefix that no block names any more goes, and what is at it goes to the node around it.
    @Test func whatIsAtADeadNodeIsLifted() {
        var scene = Scene(
            .add(1, .pods), .add(2, .blocks("10.0.0.0/8")), .add(3, .blocks("10.0.0.0/24")), .group(7, [1]),
            .addresses(["10.0.0.1", "10.1.0.1"], 7))
        #expect(scene.rows("10.0.0.0/24", "10.0.0.1") == ["10.0.0.0/24 {2 3} 65", "10.0.0.1 {1 2 3} 66"])
        scene(.remove(3))
        #expect(scene.row("10.0.0.0/24") == "10.0.0.0/24 {2 3} 65")
        scene()
        #expect(
            scene.rows("10.0.0.0/8", "10.0.0.0/24", "10.0.0.1", "10.1.0.1") == [
                "10.0.0.0/8 {2} 64", "10.0.0.0/24", "10.0.0.1 {1 2} 66", "10.1.0.1 {1 2} 66",
            ])
        #expect(scene.did == ["=66", "-65", "-67"])
    }

    /// A bounded set has those members alone that are in its groups and within its bounds.
    @Test func aBoundedSetIsWhereGroupAndBoundsMeet() {
        var scene = Scene(
            .add(1, .pods(at: "10.0.0.0/24")), .group(7, [1]), .addresses(["10.0.0.1", "10.0.1.1"], 7))
        #expect(
            scene.rows("10.0.0.0/24", "10.0.0.1", "10.0.1.1") == [
                "10.0.0.0/24 {} 0", "10.0.0.1 {1} 64", "10.0.1.1 {} 0",
            ])
        scene(.add(2, .pods), .group(7, [1, 2]))
        #expect(scene.rows("10.0.0.1", "10.0.1.1") == ["10.0.0.1 {1 2} 64", "10.0.1.1 {2} 65"])
        scene(.remove(1), .group(7, [2]))
        scene()
        #expect(
            scene.rows("10.0.0.0/24", "10.0.0.1", "10.0.1.1") == ["10.0.0.0/24", "10.0.0.1 {2} 64", "10.0.1.1 {2} 64"])
    }

    // MARK: Members that change

    @Test func aPrefixJoinsAndLeavesALiveSet() {
        var scene = Scene(.add(1, .nodes("192.168.0.1/32")), .add(2, .nodes("192.168.0.1/32", "192.168.0.2/32")))
        #expect(scene.rows("192.168.0.1", "192.168.0.2") == ["192.168.0.1 {1 2} 64", "192.168.0.2 {2} 65"])
        scene(.join(1, "192.168.0.3/32"), .join(2, "192.168.0.3/32"))
        #expect(scene.row("192.168.0.3") == "192.168.0.3 {1 2} 64")
        #expect(scene.did.isEmpty, "no class is made, split or renamed")
        scene(.leave(1, "192.168.0.1/32"))
        #expect(scene.row("192.168.0.1") == "192.168.0.1 {2} 65")
        scene(.leave(2, "192.168.0.1/32"))
        #expect(scene.row("192.168.0.1") == "192.168.0.1 {} 0", "its entry goes with the next step")
        #expect(scene.partition.needsSettling)
        scene()
        #expect(scene.row("192.168.0.1") == "192.168.0.1")
    }

    @Test func aNewClassIsMadeForWhatNobodyWasYet() {
        var scene = Scene(.add(1, .nodes("192.168.0.1/32")), .add(2, .nodes()))
        scene(.join(2, "192.168.0.1/32"))
        #expect(scene.row("192.168.0.1") == "192.168.0.1 {1 2} 65")
        #expect(scene.did == ["+65", "-64"])
    }

    /// A prefix inside a member stays one when either of the two leaves.
    @Test func aPrefixInsideAnotherMember() {
        var scene = Scene(.add(1, .nodes("10.0.0.0/24")), .add(2, .blocks("10.0.0.128/25")))
        scene(.join(1, "10.0.0.200/32"))
        #expect(scene.rows("10.0.0.128/25", "10.0.0.200") == ["10.0.0.128/25 {1 2} 65", "10.0.0.200 {1 2} 65"])
        scene(.leave(1, "10.0.0.0/24"))
        #expect(
            scene.rows("10.0.0.0/24", "10.0.0.128/25", "10.0.0.200") == [
                "10.0.0.0/24 {} 0", "10.0.0.128/25 {2} 66", "10.0.0.200 {1 2} 65",
            ])
        scene(.join(1, "10.0.0.0/24"), .leave(1, "10.0.0.200/32"))
        #expect(scene.row("10.0.0.200") == "10.0.0.200 {1 2} 65")
        scene()
        #expect(scene.rows("10.0.0.0/24", "10.0.0.200") == ["10.0.0.0/24 {1} 67", "10.0.0.200"])
    }

    @Test func podsInsideAPrefixThatJoins() {
        var scene = Scene(.add(1, .pods), .add(2, .nodes()), .group(7, [1]), .addresses(["10.0.0.1", "10.0.1.1"], 7))
        scene(.join(2, "10.0.0.0/24"))
        #expect(
            scene.rows("10.0.0.0/24", "10.0.0.1", "10.0.1.1") == [
                "10.0.0.0/24 {2} 65", "10.0.0.1 {1 2} 66", "10.0.1.1 {1} 64",
            ])
        scene(.leave(2, "10.0.0.0/24"))
        scene()
        #expect(scene.rows("10.0.0.0/24", "10.0.0.1") == ["10.0.0.0/24", "10.0.0.1 {1} 64"])
    }

    @Test func aSetThatDiesTakesItsMembersAlong() {
        var scene = Scene(.add(1, .nodes("192.168.0.1/32")), .add(2, .blocks("192.168.0.0/24")))
        scene(.join(1, "192.168.0.2/32"))
        scene(.remove(1))
        scene()
        #expect(
            scene.rows("192.168.0.0/24", "192.168.0.1", "192.168.0.2") == [
                "192.168.0.0/24 {2} 64", "192.168.0.1", "192.168.0.2",
            ])
    }

    // MARK: The own node

    /// Classes of the node's own addresses have numbers below 64; an address that becomes one gets another class.
    @Test func anAddressThatBecomesTheNodesCrossesTheBorder() {
        var scene = Scene(
            .add(1, .ownNode("127.0.0.0/8", "::1/128")), .add(2, .blocks("203.0.113.0/24")),
            .add(3, .blocks("203.0.113.7/32")))
        #expect(
            scene.rows("127.0.0.0/8", "::1", "203.0.113.0/24", "203.0.113.7") == [
                "127.0.0.0/8 {1} 1", "::1 {1} 1", "203.0.113.0/24 {2} 64", "203.0.113.7 {2 3} 65",
            ])
        #expect(scene.partition.ownNodeClass.rawValue == 1)
        scene(.join(1, "203.0.113.7/32"))
        #expect(scene.row("203.0.113.7") == "203.0.113.7 {1 2 3} 2")
        #expect(scene.did == ["+2", "-65"])
        scene(.leave(1, "203.0.113.7/32"))
        #expect(scene.row("203.0.113.7") == "203.0.113.7 {2 3} 66")
    }

    /// Also where the merge of two classes makes it so: the number is a new one.
    @Test func aMergeDoesNotTakeANumberAcrossTheBorder() {
        var scene = Scene(
            .add(1, .ownNode("127.0.0.0/8", "::1/128", "192.168.0.1/32")), .add(2, .nodes("192.168.0.1/32")))
        #expect(scene.row("192.168.0.1") == "192.168.0.1 {1 2} 2")
        scene(.remove(1))
        scene()
        #expect(scene.row("192.168.0.1") == "192.168.0.1 {2} 64")
        #expect(scene.partition.ownNodeClass == .none)
    }

    @Test func loopbacksClassStandsForTheNode() {
        var scene = Scene(.add(1, .ownNode("127.0.0.0/8", "::1/128")))
        #expect(scene.partition.ownNodeClass.rawValue == 1)
        scene(.add(2, .nodes("127.0.0.0/8", "::1/128", "192.168.0.1/32")))
        let number = scene.partition.ownNodeClass
        #expect(scene.row("127.0.0.0/8") == "127.0.0.0/8 {1 2} \(number.rawValue)")
        scene(.leave(2, "127.0.0.0/8"), .leave(2, "::1/128"))
        #expect(scene.row("::1") == "::1 {1} \(scene.partition.ownNodeClass.rawValue)")
    }
}
