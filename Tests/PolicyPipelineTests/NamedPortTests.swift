// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// Named ports where an ipBlock is the peer: the pod whose address it is has the names.
@Suite struct NamedPortTests {
    private static let block = NetworkPolicyPeer.ipBlock(cidr: cidr("10.0.0.0/8"), except: [cidr("10.0.9.0/24")])
    private static let rules = policy(
        "db", selects: ["app": "web"], [.egress], egress: [rule([block], [port("db")])])

    private static func database(_ name: String, _ address: String, _ number: UInt16) -> ObjectEvent {
        pod("other/\(name)", ["app": name], address, node: "n2", ports: [NamedPort(name: "db", number: number)])
    }

    @Test(
        arguments: [
            ("10.0.2.1", 5432, true), ("10.0.2.1", 5433, false), ("10.0.2.2", 5433, true), ("10.0.2.2", 5432, false),
            ("10.0.9.1", 5432, false), ("11.0.0.1", 5432, false), ("10.0.2.3", 5432, false), ("10.0.2.4", 5432, false),
        ] as [(String, UInt16, Bool)])
    func theDestinationPodsNamesCount(_ peer: String, _ port: UInt16, isAllowed: Bool) {
        let pipeline = PolicyPipeline([
            pod("web", ["app": "web"], "10.0.0.1"), Self.rules, Self.database("a", "10.0.2.1", 5432),
            Self.database("b", "10.0.2.2", 5433), Self.database("excepted", "10.0.9.1", 5432),
            Self.database("outside", "11.0.0.1", 5432), pod("bare", [:], "10.0.2.3", node: "n2"),
        ])
        #expect(pipeline.allows("10.0.0.1", peer, port) == isAllowed)
        #expect(!pipeline.allows("10.0.0.1", peer, port, .udp))
    }

    /// A pod comes, gets another number, another address, and goes.
    @Test func changesAreFollowed() {
        var pipeline = PolicyPipeline([pod("web", ["app": "web"], "10.0.0.1"), Self.rules])
        func allowed() -> [String] {
            [("10.0.2.1", 5432), ("10.0.2.1", 5433), ("10.0.9.1", 5433), ("10.0.3.1", 5433)].filter {
                pipeline.allows("10.0.0.1", $0.0, UInt16($0.1))
            }.map { "\($0.0):\($0.1)" }
        }
        #expect(allowed() == [])
        _ = pipeline.apply([Self.database("a", "10.0.2.1", 5432)])
        #expect(allowed() == ["10.0.2.1:5432"])
        _ = pipeline.apply([Self.database("a", "10.0.2.1", 5433)])
        #expect(allowed() == ["10.0.2.1:5433"])
        _ = pipeline.apply([Self.database("a", "10.0.9.1", 5433)])
        #expect(allowed() == [])
        _ = pipeline.apply([Self.database("a", "10.0.3.1", 5433)])
        #expect(allowed() == ["10.0.3.1:5433"])
        _ = pipeline.apply([.removed(ObjectKey(kind: .pod, namespace: "other", name: "a"))])
        #expect(allowed() == [])
    }

    @Test func theReasonNamesTheBlock() {
        let pipeline = PolicyPipeline([
            pod("web", ["app": "web"], "10.0.0.1"), Self.rules, Self.database("a", "10.0.2.1", 5432),
        ])
        #expect(pipeline.decide("10.0.0.1", "10.0.2.1", 5432).egress?.reason == "allowed by shop/db rule 1")
        #expect(
            pipeline.compiled.peerSets.values.map(\.description).contains(
                "all pods in all namespaces with port db 5432/TCP at 10.0.0.0/8 except 10.0.9.0/24"))
    }

    @Test func networksOfTierRulesAlike() {
        let guardrail = tier("g", egress: [rule(.deny, network("10.0.0.0/8"), ports: [.named("db")])])
        let pipeline = PolicyPipeline([
            pod("web", ["app": "web"], "10.0.0.1"), guardrail, Self.database("a", "10.0.2.1", 5432),
        ])
        #expect(!pipeline.allows("10.0.0.1", "10.0.2.1", 5432))
        #expect(pipeline.allows("10.0.0.1", "10.0.2.1", 5433))
        #expect(pipeline.allows("10.0.0.1", "10.0.2.9", 5432))
    }
}
