// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// Several claim one address: whose endpoint is judged there, and whose peer it is.
@Suite struct AddressOwnerTests {
    private enum Claimant: CaseIterable {
        /// The object of a pod of this node, and a younger one of a pod of another node.
        case here, elsewhere
        /// What a controller pushed.
        case pushed
        /// A pod that the runtime reported, without an object.
        case held
        /// An interface of this node.
        case interface
    }

    private static let cluster = [
        pod("api", ["app": "api"], "10.0.0.2"), node("n1", "192.168.0.1"),
        policy(
            "api", selects: ["app": "api"], [.ingress],
            ingress: [rule([pods(["app": "here"])], [port(80)]), rule([pods(["app": "elsewhere"])], [port(81)])]),
        .set(
            .tierPolicy(
                TierPolicy(
                    metadata: ObjectMeta(name: "all"), tier: .admin, subject: PodSelection(),
                    egress: [TierRule(action: .deny, peers: [.networks([cidr("169.254.169.254/32")])])]))),
    ]

    private static func pushed(_ addresses: String...) -> PushedPolicy {
        PushedPolicy(
            endpoints: addresses.isEmpty
                ? []
                : [
                    PushedEndpoint(
                        name: EndpointName(namespace: "", name: "vm"), addresses: addresses.map { address($0) })
                ])
    }

    private static func add(_ claimant: Claimant, to pipeline: inout PolicyPipeline) throws {
        switch claimant {
        case .here: _ = pipeline.apply([pod("here", ["app": "here"], "10.0.0.1", createdAt: 5)])
        case .elsewhere:
            _ = pipeline.apply([pod("elsewhere", ["app": "elsewhere"], "10.0.0.1", node: "n2", createdAt: 9)])
        case .pushed: _ = try pipeline.apply(pushed: pushed("10.0.0.1"))
        case .held:
            _ = pipeline.apply(attachments: [
                PodAttachment(uid: "one", namespace: "shop", name: "new", addresses: [address("10.0.0.1")])
            ])
        case .interface: _ = pipeline.apply(interfaces: ["veth0": [address("10.0.0.1")]])
        }
    }

    private static func remove(_ claimant: Claimant, from pipeline: inout PolicyPipeline) throws {
        func gone(_ name: String) -> ObjectEvent {
            .removed(ObjectKey(kind: .pod, namespace: "shop", name: name))
        }
        switch claimant {
        case .here: _ = pipeline.apply([gone("here")])
        case .elsewhere: _ = pipeline.apply([gone("elsewhere")])
        case .pushed: _ = try pipeline.apply(pushed: pushed())
        case .held: _ = pipeline.apply(attachments: [])
        case .interface: _ = pipeline.apply(interfaces: [:])
        }
    }

    /// The endpoint at the address. A pod of another node takes the address from an endpoint of this node, but for one
    /// that was pushed or is held: these keep their protection.
    private static func endpoint(_ present: Set<Claimant>) -> String? {
        if present.contains(.held) { return "(held)/shop/new one" }
        if present.contains(.elsewhere) { return present.contains(.pushed) ? "vm" : nil }
        if present.contains(.here) { return "shop/here" }
        if present.contains(.pushed) { return "vm" }
        return present.contains(.interface) ? "(unknown)/veth0" : nil
    }

    /// The port that is open to the address as a peer.
    private static func openPort(_ present: Set<Claimant>) -> UInt16? {
        if present.contains(.held) { return nil }
        return present.contains(.elsewhere) ? 81 : present.contains(.here) ? 80 : nil
    }

    private static func check(_ pipeline: PolicyPipeline, _ present: Set<Claimant>) {
        let id = pipeline.compiled.addresses.entry(of: address("10.0.0.1")).endpoint
        #expect(pipeline.compiled.endpoints[id]?.name.description == endpoint(present), "\(present)")
        for port in [UInt16(80), 81] {
            let ingress = pipeline.decide("10.0.0.1", "10.0.0.2", port).ingress
            #expect((ingress?.verdict == .allow) == (openPort(present) == port), "\(present) \(port)")
        }
        #expect(pipeline.unknownEndpointCount == (present == [.interface] ? 1 : 0))
    }

    @Test func theSameInEveryOrder() throws {
        for order in Self.permutations(Claimant.allCases) {
            // A push for the address of a pod of this node is refused.
            let push = try #require(order.firstIndex(of: .pushed))
            guard !order[..<push].contains(.here), !order[..<push].contains(.held) else { continue }
            var pipeline = PolicyPipeline(Self.cluster)
            var present: Set<Claimant> = []
            for claimant in order {
                try Self.add(claimant, to: &pipeline)
                present.insert(claimant)
                Self.check(pipeline, present)
            }
            for claimant in order {
                try Self.remove(claimant, from: &pipeline)
                present.remove(claimant)
                Self.check(pipeline, present)
            }
            #expect(pipeline.localEndpoints.map(\.name.description) == ["shop/api"])
        }
    }

    private static func permutations(_ rest: [Claimant]) -> [[Claimant]] {
        rest.isEmpty
            ? [[]] : rest.flatMap { first in permutations(rest.filter { $0 != first }).map { [first] + $0 } }
    }

    @Test func aPushIsRefusedForAddressesOfPodsAlone() throws {
        for (claimant, isRefused) in [
            (Claimant.here, true), (.held, true), (.elsewhere, false), (.interface, false),
        ] {
            var pipeline = PolicyPipeline(Self.cluster)
            try Self.add(claimant, to: &pipeline)
            if isRefused {
                #expect(throws: PushedPolicyError.self) { try Self.add(.pushed, to: &pipeline) }
            } else {
                try Self.add(.pushed, to: &pipeline)
                Self.check(pipeline, [claimant, .pushed])
            }
        }
    }

    /// An interface stands for a pod as a whole or not at all, while a policy selects all pods.
    @Test func anInterfaceStandsForAPodAsAWhole() {
        var pipeline = PolicyPipeline(Self.cluster)
        let both: Set<IPAddress> = [address("10.0.0.1"), address("fd00::1")]
        _ = pipeline.apply(interfaces: ["veth0": both, "veth1": [address("10.0.0.2")], "veth2": []])
        func names() -> [String] { pipeline.localEndpoints.map(\.name.description) }
        #expect(names() == ["(unknown)/veth0", "shop/api"])
        // People may ask about it by the name that they see.
        let shown = EndpointName(namespace: "(unknown)", name: "veth0")
        #expect(pipeline.addresses(ofPod: shown) == both.sorted())
        #expect(pipeline.pod(owning: address("fd00::1"))?.description == "(unknown)/veth0")
        _ = pipeline.apply([pod("elsewhere", [:], "10.0.0.1", node: "n2")])
        #expect(names() == ["shop/api"] && pipeline.addresses(ofPod: shown) == nil)
        #expect(pipeline.pod(owning: address("fd00::1")) == nil)
        _ = pipeline.apply([.removed(ObjectKey(kind: .pod, namespace: "shop", name: "elsewhere"))])
        #expect(names() == ["(unknown)/veth0", "shop/api"])
        _ = pipeline.apply([.removed(ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: "all"))])
        #expect(names() == ["shop/api"])
    }

    /// Where the plugin's deadline has passed and is set to allow.
    @Test func whoIsNotHeldKeepsOtherObjectsFromItsAddressAlone() throws {
        var pipeline = PolicyPipeline(Self.cluster)
        try Self.add(.here, to: &pipeline)
        _ = pipeline.apply(attachments: [
            PodAttachment(
                uid: "one", namespace: "shop", name: "new", addresses: [address("10.0.0.1")], isHeld: false)
        ])
        Self.check(pipeline, [])
        try Self.add(.interface, to: &pipeline)
        Self.check(pipeline, [.interface])
        try Self.add(.pushed, to: &pipeline)
        Self.check(pipeline, [.pushed])
        try Self.add(.elsewhere, to: &pipeline)
        Self.check(pipeline, [.elsewhere, .pushed])
    }

    /// A pod takes the name of a pushed endpoint over, and gives it back.
    @Test func aPodTakesTheNameOver() throws {
        var pipeline = PolicyPipeline(Self.cluster)
        let name = EndpointName(namespace: "shop", name: "here")
        let policy = PushedPolicy(endpoints: [PushedEndpoint(name: name, addresses: [address("10.0.0.7")])])
        _ = try pipeline.apply(pushed: policy)
        func kinds() -> [EndpointKind] { pipeline.localEndpoints.map(\.name.kind) }
        #expect(kinds() == [.pod, .pushed] && pipeline.addresses(ofPod: name) == [address("10.0.0.7")])
        try Self.add(.here, to: &pipeline)
        #expect(kinds() == [.pod, .pod] && pipeline.addresses(ofPod: name) == [address("10.0.0.1")])
        #expect(throws: PushedPolicyError.nameOfPod(name)) { try pipeline.apply(pushed: policy) }
        try Self.remove(.here, from: &pipeline)
        #expect(kinds() == [.pod, .pushed] && pipeline.addresses(ofPod: name) == [address("10.0.0.7")])
    }
}
