// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Netfilter
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// Random clusters through the real compiler into the plan of the table: pure.
struct WorldTableTests {
    /// After each step the plan equals a new one, and decides like the oracle, by the rule that the tables name.
    @Test(arguments: 1..<31) func plansFollowTheClusterAndDecideAsTheOracle(seed: UInt64) {
        var generator = WorldGenerator(seed: seed)
        let settings = generator.world.settings
        var pipeline = PolicyPipeline(
            nodeName: generator.world.nodeName,
            settings: PolicySettings(
                enforcesNetworkPolicyOnOwnNode: settings.enforcesNetworkPolicyOnOwnNode, nodeDNS: settings.nodeDNS))
        _ = pipeline.apply(localAddresses: settings.localAddresses)
        _ = pipeline.apply(generator.world.events)
        var tables = PolicyTables(pipeline.compiled)
        for step in 0..<12 {
            if step > 0 {
                let delta =
                    switch step % 4 {
                    case 1: pipeline.apply(localAddresses: generator.changeLocalAddresses())
                    case 2: pipeline.apply(generator.changeNode())
                    default: pipeline.apply(generator.change())
                    }
                guard tables.plan(delta, of: pipeline.compiled) != nil else {
                    Issue.record("seed \(seed) step \(step): built anew")
                    return
                }
            }
            guard tables.contents == PolicyTables(pipeline.compiled).contents else {
                Issue.record("seed \(seed) step \(step): differs from a plan made anew")
                return
            }
            let oracle = generator.world.oracle
            // What the node itself sends is not forwarded.
            for flow in generator.flows(40) where !tables.contents.isOwnNode(flow.source) {
                var walk = TableWalk(tables.contents, flow)
                let isAccepted = walk.isAccepted()
                guard isAccepted == (oracle.verdict(flow).verdict == .allow) else {
                    Issue.record("seed \(seed) step \(step): \(flow): accepted: \(isAccepted); \(oracle.verdict(flow))")
                    return
                }
                let decision = pipeline.compiled.evaluate(flow)
                let rules = [decision.egress, decision.ingress].compactMap { $0?.rule }.filter { $0 != .noPolicy }
                let counted = walk.counted.filter { $0.hasPrefix("rule/") }
                    .compactMap { UInt32($0.split(separator: "/")[1]) }.filter { $0 != 0 }
                // A packet that egress denies does not come to ingress.
                let expected = decision.egress?.verdict == .deny ? Array(rules.prefix(1)) : rules
                // What a rule in audit would deny is counted for the rule that allows it, too.
                let isAsExpected =
                    walk.counted.contains("packets-audited")
                    ? Set(expected.map(\.rawValue)).isSubset(of: counted) : counted == expected.map(\.rawValue)
                guard isAsExpected else {
                    Issue.record("seed \(seed) step \(step): \(flow): counted \(walk.counted), decided by \(expected)")
                    return
                }
            }
        }
    }

    /// With authorization, while the proxy's marks come and go: after each step the plan equals a new one.
    @Test func plansFollowAuthorization() {
        var handingOver = 0
        for seed: UInt64 in 1..<31 {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            var pipeline = PolicyPipeline(nodeName: generator.world.nodeName)
            _ = pipeline.apply(generator.world.events)
            var tables = PolicyTables(pipeline.compiled)
            for step in 0..<12 {
                let marks = step % 4 < 2 ? SteeringMarks.none : SteeringMarks(toProxy: 0x10, fromProxy: 0x20)
                let before = tables.contents
                let change = tables.set(marks: marks)
                #expect(before.applying(change) == tables.contents, "seed \(seed) step \(step): marks")
                let marked = tables.contents
                guard let change = tables.plan(pipeline.apply(generator.change()), of: pipeline.compiled) else {
                    Issue.record("seed \(seed) step \(step): built anew")
                    return
                }
                #expect(marked.applying(change) == tables.contents, "seed \(seed) step \(step)")
                guard tables.contents == PolicyTables(pipeline.compiled, marks: marks).contents else {
                    Issue.record("seed \(seed) step \(step): differs from a plan made anew")
                    return
                }
                if pipeline.compiled.programs.values.contains(where: \.handsOver) { handingOver += 1 }
            }
        }
        #expect(handingOver > 40)
    }
}

extension TableContents {
    fileprivate func isOwnNode(_ address: IPAddress) -> Bool {
        guard case .addresses(let own) = sets["own-node-\(address.family)"]?.members else { return false }
        return own.contains(address)
    }
}
