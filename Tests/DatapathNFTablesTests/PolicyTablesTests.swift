// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Netfilter
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// The plan of the table: pure.
struct PolicyTablesTests {
    @Test(arguments: 0..<40) func stepsGiveWhatABuildFromScratchGives(seed: UInt64) {
        var random = WorldRandom(seed: seed)
        var compiler = PlanCompiler()
        var plan = PolicyPlan.mixed
        var policy = compiler.compile(plan)
        var tables = PolicyTables(policy)
        for _ in 0..<12 {
            plan.change(&random)
            let next = compiler.compile(plan)
            let delta = CompiledDelta(from: policy, to: next)
            let before = tables.contents
            let step = tables.plan(delta, of: next)
            // Established flows are looked through only then.
            if !tables.mayHaveShrunk {
                let stopped = sampleFlows.filter { policy.allows($0) && !next.allows($0) }
                #expect(stopped.isEmpty, "seed \(seed)")
            }
            policy = next
            let scratch = PolicyTables(policy)
            guard let step else {
                Issue.record("seed \(seed): built anew")
                return
            }
            #expect(tables.contents == scratch.contents, "seed \(seed)")
            #expect(before.applying(step) == tables.contents, "seed \(seed)")
        }
    }

    @Test func aPlaceIsInSetsAndMapsAndGoesWithItsEndpoint() {
        var compiler = PlanCompiler()
        let policy = compiler.compile(.mixed)
        var tables = PolicyTables(policy)
        let bare = tables.contents
        let web = policy.endpoints.first { $0.value.name.name == "web" }!.key
        let place = EndpointPlace(
            interfaces: [7, 8].map { EndpointInterface(index: $0, name: "veth\($0)") },
            port: EndpointBridgePort(index: 9, bridge: 3, hardware: 0x0200_0000_0009))
        let step = tables.setPlace(place, of: web)
        #expect(
            step.addedMembers.map(\.shape.name) == [
                "local-sources-ipv4", "local-sources-ipv6", "bridge-ports-ipv4", "bridge-ports-ipv6", "egress-hardware",
                "egress-interfaces", "ingress-interfaces", "ingress-ports", "pod-hardware", "pod-interfaces",
                "pod-sources-ipv4", "pod-sources-ipv6",
            ])
        #expect(tables.setPlace(place, of: web).isEmpty)
        var plan = PolicyPlan.mixed
        plan.endpoints["web"] = nil
        let without = compiler.compile(plan)
        _ = tables.plan(CompiledDelta(from: policy, to: without), of: without)
        #expect(tables.contents == PolicyTables(without).contents)
        _ = tables.plan(CompiledDelta(from: without, to: policy), of: policy)
        #expect(tables.contents == bare)
    }

    /// As while an interface's number passes from one pod to the next.
    @Test func ofTwoEndpointsAtOneInterfaceOneIsInTheMaps() {
        var compiler = PlanCompiler()
        let policy = compiler.compile(.mixed)
        let place = EndpointPlace(interfaces: [EndpointInterface(index: 7, name: "veth7")])
        let ids = policy.endpoints.filter { ["web", "log"].contains($0.value.name.name) }.map(\.key).sorted()
        var forth = PolicyTables(policy)
        var back = forth
        for id in ids { _ = forth.setPlace(place, of: id) }
        for id in ids.reversed() { _ = back.setPlace(place, of: id) }
        #expect(forth.contents == back.contents)
        #expect(forth.contents.sets["egress-interfaces"]?.members.count == 1)
        _ = forth.setPlace(nil, of: ids[0])
        var alone = PolicyTables(policy)
        _ = alone.setPlace(place, of: ids[1])
        #expect(forth.contents == alone.contents)
    }

    /// Flows between the addresses that the changes are about.
    private var sampleFlows: [Flow] {
        let hosts = (0..<12).map { IPAddress(v4: address("10.0.0.0").v4 + UInt32($0)) } + [address("192.0.2.1")]
        return hosts.flatMap { source in
            hosts.flatMap { destination in
                [80, 443, 8080, 5353].flatMap { port in
                    [IPProtocol.tcp, .udp].map {
                        Flow(source: source, destination: destination, ipProtocol: $0, destinationPort: port)
                    }
                }
            }
        }
    }

    /// What costs a look at all established flows, and what does not.
    @Test func onlyWhatIsDeniedTakesSomethingAway() {
        var compiler = PlanCompiler()
        var plan = PolicyPlan.mixed
        var policy = compiler.compile(plan)
        var tables = PolicyTables(policy)
        func takesAway(_ change: (inout PolicyPlan) -> Void) -> Bool {
            change(&plan)
            let next = compiler.compile(plan)
            #expect(tables.plan(CompiledDelta(from: policy, to: next), of: next) != nil)
            policy = next
            return tables.mayHaveShrunk
        }
        let pair = [address("10.0.0.10"), address("10.0.0.11")]
        #expect(!takesAway { $0.endpoints["new"] = .init(addresses: [pair[0]]) })
        #expect(takesAway { $0.endpoints["new"]!.ingress = "in" })
        #expect(!takesAway { $0.endpoints["new"]!.ingress = nil })
        #expect(takesAway { $0.endpoints["other"] = .init(addresses: [pair[1]], ingress: "in") })
        #expect(!takesAway { $0.endpoints["other"] = nil })
        // One pod's addresses become two pods' that have its policy: they don't reach each other any more.
        #expect(takesAway { $0.endpoints["new"] = .init(addresses: pair, ingress: "in") })
        #expect(
            takesAway {
                $0.endpoints["new"] = nil
                $0.endpoints["one"] = .init(addresses: [pair[0]], ingress: "in")
                $0.endpoints["two"] = .init(addresses: [pair[1]], ingress: "in")
            })
    }

    @Test func aNewMemberIsOneElement() {
        var compiler = PlanCompiler()
        let policy = compiler.compile(.mixed)
        var tables = PolicyTables(policy)
        var plan = PolicyPlan.mixed
        plan.peers["pods tier=frontend in namespace shop"]!.hosts.insert(address("10.9.9.9"))
        let next = compiler.compile(plan)
        let step = tables.plan(CompiledDelta(from: policy, to: next), of: next)!
        // The frontend's own set, and its union with the backend.
        #expect(step.addedMembers.count == 2 && step.count == 2)
        #expect(step.addedMembers.allSatisfy { $0.members == .addresses([address("10.9.9.9")]) })
    }

    @Test func chainsReadAsThePolicySays() throws {
        var compiler = PlanCompiler()
        let tables = PolicyTables(compiler.compile(.mixed))
        let chain = try #require(
            tables.contents.chains.keys.first { $0.hasPrefix("ingress/guard") && !$0.contains("after") })
        let rules = tables.contents.chains[chain]!.rules.map { rule in
            rule.terms.map(\.description).filter { !$0.hasPrefix("meta nfproto") }.joined(separator: " ")
                .replacing(/\/[0-9a-f]{8}/, with: "/#").replacing(/(rule|deny)\/[0-9]+\//) { "\($0.output.1)/N/" }
        }
        let block = "peers/10.0.0.0/8-except-10.1.0.0/16/#/ranges-ipv4"
        #expect(
            rules == [
                "jump transport-ingress",
                "ip saddr @peers/2001-db8-/32-192.0.2.1/32/#/ipv4 goto deny/N/guard/ingress/0",
                "ip6 saddr @peers/2001-db8-/32-192.0.2.1/32/#/ranges-ipv6 goto deny/N/guard/ingress/0",
                "ip saddr @\(block) meta l4proto 6 th dport 9 goto \(chain.replacing(/\/[0-9a-f]{8}/, with: "/#"))/after-admin",
                "meta l4proto 6 th dport 9 goto deny/N/guard/ingress/2",
                "goto \(chain.replacing(/\/[0-9a-f]{8}/, with: "/#"))/after-admin",
            ])
    }

    @Test func blocksAreLessTheirHoles() {
        let block = AddressBlock(
            cidr: cidr("10.0.0.0/8"), except: [cidr("10.0.0.0/16"), cidr("10.255.0.0/16"), cidr("10.1.2.0/24")])
        #expect(
            block.ranges == [
                AddressRange(first: address("10.1.0.0"), last: address("10.1.1.255")),
                AddressRange(first: address("10.1.3.0"), last: address("10.254.255.255")),
            ])
        #expect(AddressBlock(cidr: cidr("0.0.0.0/0"), except: [cidr("0.0.0.0/0")]).ranges.isEmpty)
    }
}

extension PolicyPlan {
    /// One to three changes of any kind.
    mutating func change(_ random: inout WorldRandom) {
        for _ in 0..<random.between(1, 3) {
            let pods = ["pods tier=backend in namespace shop", "pods tier=frontend in namespace shop"]
            let host = IPAddress(v4: address("10.0.0.0").v4 + UInt32(random.below(12)))
            switch random.below(7) {
            case 6: judgesOwnNode.toggle()
            case 0: peers[random.pick(pods)]!.hosts.insert(host)
            case 1: peers[random.pick(pods)]!.hosts.remove(host)
            case 2:
                let name = "pod \(random.below(4))"
                endpoints[name] = endpoints[name] == nil ? Endpoint(addresses: [host]) : nil
                // An address has one owner.
                for other in endpoints.keys where other != name {
                    if endpoints[other]!.addresses.contains(host) { endpoints[name] = nil }
                }
            case 3:
                let name = random.pick(endpoints.keys.sorted())
                let choices = programs.filter { $0.value.direction == .ingress }.keys.sorted()
                endpoints[name]!.ingress = random.chance(percent: 20) ? nil : random.pick(choices)
            case 4:
                let name = "in \(random.below(1 << 30))"
                var rules = programs["in"]!
                rules.rules.remove(at: random.below(rules.rules.count))
                programs[name] = rules
            default:
                let unused = programs.keys.filter { name in
                    name.hasPrefix("in ") && !endpoints.values.contains { $0.ingress == name }
                }
                if let name = unused.sorted().first { programs[name] = nil }
            }
        }
    }
}

extension TableContents {
    /// What a step makes of the table, as the kernel would.
    func applying(_ step: Transaction) -> TableContents {
        var result = self
        for object in step.newObjects { result.objects[object.name] = object }
        for set in step.newSets { result.sets[set.shape.name] = set }
        for chain in step.newChains + step.rewrittenChains { result.chains[chain.name] = chain }
        for set in step.emptiedSets { result.sets[set.name]!.members.empty() }
        for set in step.removedMembers { result.sets[set.shape.name]!.members.subtract(set.members) }
        for set in step.addedMembers { result.sets[set.shape.name]!.members.formUnion(set.members) }
        for chain in step.removedChains { result.chains[chain] = nil }
        for set in step.removedSets { result.sets[set] = nil }
        for object in step.removedObjects { result.objects[object.name] = nil }
        return result
    }
}

extension Members {
    mutating func subtract(_ other: Members) {
        switch (self, other) {
        case (.addresses(let a), .addresses(let b)): self = .addresses(a.subtracting(b))
        case (.elements(let a), .elements(let b)): self = .elements(a.subtracting(b))
        default: preconditionFailure("interval sets are not changed member by member")
        }
    }
    mutating func empty() {
        guard case .ranges = self else { preconditionFailure("only interval sets are emptied") }
        self = .ranges([])
    }
    mutating func formUnion(_ other: Members) {
        switch (self, other) {
        case (.addresses(let a), .addresses(let b)): self = .addresses(a.union(b))
        case (.elements(let a), .elements(let b)):
            precondition(Set(a.map(\.key)).isDisjoint(with: b.map(\.key)), "the kernel refuses a key that is there")
            self = .elements(a.union(b))
        case (.ranges([]), .ranges): self = other
        default: preconditionFailure("interval sets are not changed member by member")
        }
    }
}
