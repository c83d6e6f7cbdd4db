// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// What the node delivers to itself, and the class numbers that identify it.
@Suite struct OwnNodeTests {
    /// A guardrail around `nodes` for every pod.
    private static let guardrail = tier("guard", egress: [rule(.deny, .nodes(LabelSelector()))])
    private static let cluster: [ObjectEvent] = [
        node("n1", "192.168.0.1", "fd01::1"), pod("web", ["app": "web"], "10.0.0.1", "fd00::1"),
        pod("api", ["app": "api"], "10.0.0.2", "fd00::2"), guardrail,
    ]

    private func classNumber(_ text: String, in pipeline: PolicyPipeline) -> UInt32 {
        pipeline.compiled.addresses.entry(of: address(text)).addressClass.rawValue
    }

    private func isOwn(_ text: String, in pipeline: PolicyPipeline) -> Bool {
        (1..<AddressClassID.ownNodeLimit).contains(classNumber(text, in: pipeline))
    }

    @Test(arguments: [
        ("192.168.0.1", true), ("fd01::1", true), ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true),
        ("10.0.0.254", true), ("fe80::1", true), ("192.0.2.77", true), ("2001:db8:5::9", true),
        ("192.0.3.1", false), ("10.0.0.1", false), ("10.0.0.2", false), ("fe80::2", false), ("8.8.8.8", false),
    ])
    func localRoutesAreTheOwnNode(_ text: String, own: Bool) {
        var pipeline = PolicyPipeline(Self.cluster)
        _ = pipeline.apply(localAddresses: [
            cidr("10.0.0.254/32"), cidr("fe80::1/128"), cidr("192.0.2.0/24"), cidr("2001:db8:5::/48"),
        ])
        let other = address(text)
        let source = other.family == .ipv4 ? "10.0.0.1" : "fd00::1"
        #expect(isOwn(text, in: pipeline) == own)
        if other != address(source) { #expect(pipeline.allows(source, text, 22) == !own) }
    }

    /// A pod inside a local route is a pod, whether the route or the pod came first.
    @Test func aLocalRouteWithPodsInsideIsNone() {
        var pipeline = PolicyPipeline(Self.cluster)
        _ = pipeline.apply(localAddresses: [cidr("192.0.2.0/24")])
        #expect(isOwn("192.0.2.9", in: pipeline))
        _ = pipeline.apply([pod("new", ["app": "new"], "192.0.2.5", node: "n2")])
        while pipeline.needsSettling { _ = pipeline.settle() }
        #expect(!isOwn("192.0.2.5", in: pipeline) && !isOwn("192.0.2.9", in: pipeline))
        #expect(pipeline.allows("10.0.0.1", "192.0.2.5", 22))
        _ = pipeline.apply([.removed(ObjectKey(kind: .pod, namespace: "shop", name: "new"))])
        #expect(isOwn("192.0.2.9", in: pipeline))
        _ = pipeline.apply(localAddresses: [cidr("10.0.0.0/30")])
        #expect(!isOwn("10.0.0.2", in: pipeline) && !isOwn("10.0.0.3", in: pipeline))
    }

    @Test func aPushedEndpointInsideALocalRouteIsAnEndpoint() throws {
        var pipeline = PolicyPipeline(Self.cluster)
        _ = pipeline.apply(localAddresses: [cidr("192.0.2.0/24")])
        let machine = PushedEndpoint(
            name: EndpointName(namespace: "", name: "vm"), addresses: [address("192.0.2.5")],
            ingress: PushedDirection(rules: []))
        _ = try pipeline.apply(pushed: PushedPolicy(endpoints: [machine]))
        while pipeline.needsSettling { _ = pipeline.settle() }
        #expect(!isOwn("192.0.2.9", in: pipeline))
        _ = try pipeline.apply(pushed: PushedPolicy(endpoints: []))
        #expect(isOwn("192.0.2.9", in: pipeline))
    }

    @Test func loopbackStandsForOwnAddressesThatNobodyKnowsYet() {
        var pipeline = PolicyPipeline(nodeName: "n1")
        #expect(pipeline.compiled.ownNodeClass == .none)
        let delta = pipeline.apply([])
        #expect(delta.changesOwnNodeClass, "known before any policy: forged sources are told by it")
        #expect(
            pipeline.compiled.ownNodeClass == pipeline.compiled.addresses.entry(of: address("127.0.0.1")).addressClass)
        #expect(isOwn("127.0.0.1", in: pipeline))
        let old = pipeline.compiled.ownNodeClass
        let split = pipeline.apply(
            Self.cluster + [
                policy("p", [.egress], egress: [rule([.ipBlock(cidr: cidr("127.0.0.0/8"), except: [])])])
            ])
        #expect(split.changesOwnNodeClass == (old != pipeline.compiled.ownNodeClass))
        while pipeline.needsSettling { _ = pipeline.settle() }
        let new = pipeline.compiled.ownNodeClass
        #expect(pipeline.compiled.addressClasses[new]?.peerSets.count == 3, "own node, all nodes, the ipBlock")
    }

    /// What comes to the node is judged as to the node, whatever its addresses.
    @Test func toTheNodeFromAnyAddressToAny() throws {
        let pipeline = PolicyPipeline(Self.cluster)
        let endpoint = pipeline.compiled.addresses.entry(of: address("10.0.0.1")).endpoint
        for (source, destination) in [("fe80::77", "fe80::1"), ("10.0.0.1", "198.51.100.1"), ("10.0.0.1", "127.0.0.1")]
        {
            let flow = Flow(
                source: address(source), destination: address(destination), ipProtocol: .tcp, destinationPort: 22)
            let decision = pipeline.compiled.evaluate(flow, toOwnNodeFrom: endpoint)
            #expect(decision?.verdict == .deny && decision?.reason == "denied by guard rule 1")
            #expect(pipeline.compiled.evaluate(flow, toOwnNodeFrom: .none) == nil)
        }
    }

    /// A block of loopback addresses is not the whole node.
    @Test func setsThatHoldTheOwnNode() {
        let rules = policy("p", [.egress], egress: [rule([.ipBlock(cidr: cidr("127.0.0.0/8"), except: [])])])
        let pipeline = PolicyPipeline(Self.cluster + [rules])
        let holding = pipeline.compiled.peerSets.values.filter(\.holdsOwnNode).map(\.description)
        #expect(Set(holding) == ["own node", "all nodes"])
        #expect(pipeline.compiled.peerSets.values.contains { $0.description == "127.0.0.0/8" && !$0.isOwnNode })
    }

    /// An address that becomes the node's, or is no more, gets a class of the other range, in whatever class it was.
    @Test func theNumberFollowsTheAddress() {
        var pipeline = PolicyPipeline(
            Self.cluster + [
                policy("p", [.egress], egress: [rule([.ipBlock(cidr: cidr("203.0.113.0/24"), except: [])])])
            ])
        let before = classNumber("203.0.113.7", in: pipeline)
        #expect(before >= AddressClassID.ownNodeLimit)
        _ = pipeline.apply(localAddresses: [cidr("203.0.113.0/24")])
        #expect(isOwn("203.0.113.7", in: pipeline))
        _ = pipeline.apply(localAddresses: [])
        while pipeline.needsSettling { _ = pipeline.settle() }
        #expect(classNumber("203.0.113.7", in: pipeline) >= AddressClassID.ownNodeLimit)
    }

    @Test func ownClassesBeyondTheirNumbersGetOrdinaryOnes() {
        let locals = (0..<100).map { cidr("203.0.113.\($0)/32") }
        let policies = (0..<100).map {
            policy("p\($0)", [.egress], egress: [rule([.ipBlock(cidr: cidr("203.0.113.\($0)/32"), except: [])])])
        }
        var pipeline = PolicyPipeline(Self.cluster + policies)
        _ = pipeline.apply(localAddresses: locals)
        let own = (0..<100).filter { isOwn("203.0.113.\($0)", in: pipeline) }
        #expect(own.count >= 60 && own.count < 64)
        #expect((0..<100).allSatisfy { !pipeline.allows("10.0.0.1", "203.0.113.\($0)", 22) })
        _ = pipeline.apply(localAddresses: Array(locals.prefix(10)))
        while pipeline.needsSettling { _ = pipeline.settle() }
        #expect((10..<100).allSatisfy { !isOwn("203.0.113.\($0)", in: pipeline) })
        #expect((0..<10).allSatisfy { !pipeline.allows("10.0.0.1", "203.0.113.\($0)", 22) })
        #expect((10..<100).allSatisfy { pipeline.allows("10.0.0.1", "203.0.113.\($0)", 22) })
    }

    /// Numbers that a version before gave without regard to what is the node's are not taken.
    @Test func numbersOfTheWrongRangeAreNotTakenOver() {
        let first = PolicyPipeline(Self.cluster)
        var numbering = Numbering()
        for (id, addressClass) in first.compiled.addressClasses where id != .none {
            let isOwn = id.rawValue < AddressClassID.ownNodeLimit
            numbering.addressClasses[addressClass.key] = AddressClassID(
                rawValue: isOwn ? id.rawValue + 100 : id.rawValue - 60)
        }
        var second = PolicyPipeline(nodeName: "n1", numbering: numbering)
        _ = second.apply(Self.cluster)
        let left = Set(numbering.addressClasses.values)
        #expect(
            left.isDisjoint(with: second.compiled.addressClasses.keys), "what the kernel still uses is not given away")
        #expect(isOwn("192.168.0.1", in: second) && !isOwn("10.0.0.2", in: second))
    }
}
