// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import Testing

/// What becomes of a table in one step: pure.
struct TransactionTests {
    private static let exampleText = """
        table inet bulkhead-example {
          counter dropped {
            comment "What is dropped"
          }
          limit often {
            rate 5/second burst 9 packets
          }
          set addresses {
            type ipv4_addr
            comment "Two hosts"
            elements = {
              10.0.0.1,
              10.0.0.2,
            }
          }
          set pairs {
            type iface_index . ipv6_addr
            elements = {
              3 . fd00::1,
            }
          }
          set ports {
            type inet_proto . inet_service
            flags interval
            elements = {
              17 . 50-60,
              6 . 80,
            }
          }
          set ranges {
            type ipv6_addr
            flags interval
            elements = {
              fd00::1,
              fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff,
            }
          }
          map chains {
            type ipv4_addr : verdict
            elements = {
              10.0.0.3 : jump end,
            }
          }
          chain end {
            comment "The end"
            ct state established accept comment "Allowed when it began"
            counter name "dropped" drop
          }
          chain forward {
            type filter hook forward priority 5; policy accept;
            meta nfproto ipv4 ip saddr @addresses goto end
            meta nfproto ipv4 ip saddr vmap @chains
            meta nfproto ipv6 iif . ip6 saddr != @pairs drop
            meta l4proto . th dport @ports limit name "often" return
          }
        }

        """

    @Test func aTableReadsAsWhatNftTakes() {
        #expect("\(Example.contents())" == Self.exampleText)
    }

    /// Sets and chains that nothing leads to come first, and go last; one transaction changes what packets meet.
    @Test func aStepIsCarriedOutInParts() {
        var step = Transaction()
        step.newObjects = [TableObject("counter")]
        step.newSets = [Example.addresses]
        step.newChains = [TableChain("new"), TableChain("base", hook: Example.hook)]
        step.rewrittenChains = [TableChain("entry", rules: [TableRule([.verdict(.jump("new"))])])]
        step.addedMembers = [Example.addresses]
        step.removedChains = ["old", "old-base"]
        step.removedBaseChains = ["old-base"]
        step.removedSets = ["gone"]
        let parts = step.parts
        #expect(parts.count == 3)
        #expect(parts[0].newObjects.count == 1 && parts[0].newSets.count == 1)
        #expect(parts[0].newChains.map(\.name) == ["new"])
        #expect(parts[1].newChains.map(\.name) == ["base"] && parts[1].rewrittenChains.map(\.name) == ["entry"])
        #expect(parts[1].addedMembers == [Example.addresses] && parts[1].removedChains == ["old-base"])
        #expect(parts[2].removedChains == ["old"] && parts[2].removedSets == ["gone"])
        #expect(parts.reduce(0) { $0 + $1.count } == step.count)
    }

    @Test func nothingAndEverythingAreOnePart() {
        #expect(Transaction().parts.isEmpty && Transaction().isEmpty)
        #expect(Transaction(replacing: Example.contents()).parts.count == 1)
    }

    /// Two contents of one table, and what the step between them names.
    @Test(arguments: [
        Change("nothing") { _ in
        } expects: {
            $0.isEmpty
        },
        Change("a member more") {
            $0.sets["addresses"]!.members = .addresses(Example.hosts.union([IPAddress(v4: 9)]))
        } expects: {
            $0.addedMembers.map(\.members) == [.addresses([IPAddress(v4: 9)])] && $0.count == 1
        },
        Change("a member less") {
            $0.sets["addresses"]!.members = .addresses([])
        } expects: {
            $0.removedMembers.map(\.members) == [.addresses(Example.hosts)] && $0.count == 2
        },
        Change("other ranges") {
            $0.sets["ranges"]!.members = .ranges([])
        } expects: {
            $0.emptiedSets.map(\.name) == ["ranges"] && $0.addedMembers.isEmpty
        },
        Change("a rule more") {
            $0.chains["end"]!.rules.append(TableRule([.verdict(.drop)]))
        } expects: {
            $0.rewrittenChains.map(\.name) == ["end"] && $0.count == 1
        },
        Change("a base chain less") {
            $0.chains["forward"] = nil
        } expects: {
            $0.removedChains == ["forward"] && $0.removedBaseChains == ["forward"] && $0.count == 1
        },
        Change("a chain and a set more") {
            $0.chains["more"] = TableChain("more")
            $0.sets["more"] = TableSet(SetShape(name: "more", fields: [.interface]), .elements([]))
        } expects: {
            $0.newChains.map(\.name) == ["more"] && $0.newSets.map(\.shape.name) == ["more"] && $0.count == 2
        },
    ])
    func contentsAreCompared(change: Change) {
        let old = Example.contents()
        var new = old
        change.make(&new)
        let step = Transaction(from: old, to: new)
        #expect(change.isExpected(step), "\(step)")
    }

    struct Change: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let make: @Sendable (inout TableContents) -> Void
        let isExpected: @Sendable (Transaction) -> Bool

        init(
            _ description: String, make: @escaping @Sendable (inout TableContents) -> Void,
            expects: @escaping @Sendable (Transaction) -> Bool
        ) {
            testDescription = description
            self.make = make
            isExpected = expects
        }
    }
}

/// Taking out and putting back is nothing, and a set's members follow.
struct MemberChangesTests {
    @Test func changesAreGathered() {
        var contents = Example.contents()
        var changes = MemberChanges()
        let (first, second) = (IPAddress(v4: 0x0a00_0001), IPAddress(v4: 0x0a00_0002))
        changes.remove(first, from: "addresses")
        changes.add(first, to: "addresses")
        changes.remove(second, from: "addresses")
        changes.replace(
            [SetElement(key: [10, 0, 0, 3], target: .jump("end"))],
            by: [SetElement(key: [10, 0, 0, 3], target: .jump("forward"))], in: "chains")
        changes.add(first, to: "no such set")
        var step = Transaction()
        changes.write(to: &contents, &step)
        #expect(contents.sets["addresses"]!.members == .addresses([first]))
        #expect(step.removedMembers.map(\.shape.name) == ["addresses", "chains"])
        #expect(step.removedMembers[0].members == .addresses([second]))
        #expect(step.addedMembers.map(\.shape.name) == ["chains"])
    }
}
