// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import PolicyPipeline
import RequestPolicy
import Requests
import Testing
import WorldKit

/// The projection of one step after the other, for random clusters.
struct ProjectionStepTests {
    /// After each step it equals a projection of the whole, and says so if it has changed.
    @Test func stepsGiveWhatTheWholeGives() {
        var (changed, unchanged, sources, blocks) = (0, 0, 0, 0)
        for seed: UInt64 in 1..<61 {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            var pipeline = PolicyPipeline(nodeName: generator.world.nodeName)
            _ = pipeline.apply(localAddresses: generator.world.settings.localAddresses)
            _ = pipeline.apply(generator.world.events)
            var projection = RequestProjection(pipeline.compiled, generation: 1)
            for step in 0..<25 {
                let delta =
                    switch step % 6 {
                    case 4: pipeline.apply(localAddresses: generator.changeLocalAddresses())
                    case 5: pipeline.apply(generator.changeNode())
                    default: pipeline.apply(generator.change())
                    }
                let before = projection.policy
                let hasChanged = projection.take(delta, of: pipeline.compiled)
                let whole = RequestPolicy(pipeline.compiled, generation: 1)
                guard projection.policy == whole else {
                    let lines = RequestPolicyChange(from: whole, to: projection.policy).lines.dropLast()
                    Issue.record("seed \(seed) step \(step): \(lines.map { "\($0)" })")
                    return
                }
                #expect(hasChanged == !before.hasSameRules(as: whole), "seed \(seed) step \(step)")
                if hasChanged { changed += 1 } else { unchanged += 1 }
                if before.sources != whole.sources { sources += 1 }
                if before.sources.prefixes != whole.sources.prefixes { blocks += 1 }
            }
        }
        #expect(changed > 100 && unchanged > 100, "\(changed) \(unchanged)")
        #expect(sources > 50 && blocks > 10, "\(sources) \(blocks)")
    }

    private static let (named, other) = (PeerSetID(rawValue: 1), PeerSetID(rawValue: 2))
    private static let (inside, outside) = (AddressClassID(rawValue: 40), AddressClassID(rawValue: 41))

    /// An endpoint with a rule that reads the requests of one peer set, a member of it, and a member of another.
    private static var policy: CompiledPolicy {
        var policy = CompiledPolicy()
        let method = RequestCondition(.method, [.text(.exact("GET"))])
        let rule = ProgramRule(
            rule: RuleID(rawValue: 1), tier: .authorization, action: .allow, peers: .sets([named]), ports: .any,
            request: RequestMatch(conditions: [method]))
        policy.programs[ProgramID(rawValue: 1)] = Program(
            key: StableKey(high: 0, low: 1), direction: .ingress, rules: [rule], rows: [0], columns: [0],
            columnCount: 1, cells: [Cell(.handOver, by: RuleID(rawValue: 1))])
        policy.endpoints[EndpointID(rawValue: 1)] = CompiledEndpoint(
            key: StableKey(high: 0, low: 2), name: EndpointName(namespace: "shop", name: "api"),
            addresses: [address("10.0.0.1")], ingress: ProgramID(rawValue: 1), egress: .none)
        policy.addressClasses[inside] = AddressClass(key: StableKey(high: 0, low: 3), peerSets: [named])
        policy.addressClasses[outside] = AddressClass(key: StableKey(high: 0, low: 4), peerSets: [other])
        policy.addresses[cidr("10.0.0.2/32")] = AddressEntry(addressClass: inside)
        policy.addresses[cidr("10.0.0.3/32")] = AddressEntry(addressClass: outside)
        return policy
    }

    /// All members of a class join a peer set, and leave it: their addresses are not in the step.
    @Test func aClassIsRenamed() {
        var policy = Self.policy
        var projection = RequestProjection(policy, generation: 1)
        var delta = CompiledDelta()
        delta.renamedAddressClasses = [Self.outside]
        for sets in [[Self.named, Self.other], [Self.other]] {
            policy.addressClasses[Self.outside] = AddressClass(key: StableKey(high: 0, low: 5), peerSets: sets)
            let hasChanged = projection.take(delta, of: policy)
            #expect(hasChanged)
            #expect(projection.policy == RequestPolicy(policy, generation: 1))
            #expect(projection.policy.sources.hosts.count == sets.count)
        }
    }

    /// A block comes and goes. Meanwhile addresses within it that are in no such set have entries of their own.
    @Test func aBlockCoversOthers() {
        var policy = Self.policy
        var projection = RequestProjection(policy, generation: 1)
        for (entry, count) in [(AddressEntry(addressClass: Self.inside), 2), (nil, 1)] {
            policy.addresses[cidr("10.0.0.0/24")] = entry
            var delta = CompiledDelta()
            delta.addresses = [AddressChange(cidr("10.0.0.0/24"), entry)]
            let hasChanged = projection.take(delta, of: policy)
            #expect(hasChanged)
            #expect(projection.policy == RequestPolicy(policy, generation: 1))
            #expect(projection.policy.sources.hosts.count == count)
        }
    }
}
