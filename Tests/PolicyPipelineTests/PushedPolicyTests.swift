// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

@Suite struct PushedPolicyTests {
    private static let vm = EndpointName(kind: .pushed, namespace: "", name: "vm")

    private static func block(_ text: String) -> AddressBlock { AddressBlock(cidr: cidr(text)) }

    private static func vm(
        _ rules: [PushedRule], default verdict: Verdict = .deny
    ) -> PushedPolicy {
        PushedPolicy(endpoints: [
            PushedEndpoint(
                name: vm, addresses: [address("10.0.0.50")],
                ingress: PushedDirection(rules: rules, defaultVerdict: verdict))
        ])
    }

    @Test func rulesInOrderThenTheDefault() throws {
        var pipeline = PolicyPipeline([node("n1", "192.168.0.1")])
        _ = try pipeline.apply(
            pushed: Self.vm([
                PushedRule(name: "bad", action: .deny, peers: .blocks([Self.block("10.1.0.0/16")])),
                PushedRule(action: .pass, peers: .blocks([Self.block("10.2.0.0/16")])),
                PushedRule(
                    action: .allow, peers: .blocks([Self.block("10.0.0.0/8")]),
                    ports: .ports([ProtocolPorts(.tcp, PortRange(80))])),
            ]))
        let rows: [(String, UInt16, Bool)] = [
            ("10.1.0.1", 80, false), ("10.2.0.1", 80, false), ("10.3.0.1", 80, true), ("10.3.0.1", 81, false),
            ("8.8.8.8", 80, false), ("192.168.0.1", 81, true),
        ]
        for (peer, port, isAllowed) in rows {
            #expect(pipeline.allows(peer, "10.0.0.50", port) == isAllowed, "\(peer) \(port)")
        }
        #expect(pipeline.decide("10.1.0.1", "10.0.0.50", 80).ingress?.reason == "denied by vm rule 1 (bad)")
        #expect(pipeline.allows("10.0.0.50", "8.8.8.8", 80))
        _ = try pipeline.apply(pushed: PushedPolicy())
        #expect(pipeline.localEndpoints.isEmpty)
        #expect(pipeline.allows("10.1.0.1", "10.0.0.50", 80))
    }

    @Test func refusalsLeaveWhatIsInForce() throws {
        var pipeline = PolicyPipeline([pod("web", [:], "10.0.0.1")])
        _ = try pipeline.apply(pushed: Self.vm([]))
        let before = pipeline.compiled
        let endpoint = Self.vm([]).endpoints[0]
        var elsewhere = endpoint
        elsewhere.name.name = "other"
        var nowhere = endpoint
        nowhere.addresses = []
        var ofPod = endpoint
        ofPod.addresses = [address("10.0.0.1")]
        let web = EndpointName(namespace: "shop", name: "web")
        var named = endpoint
        named.name = web
        let outside = AddressBlock(cidr: cidr("10.0.0.0/8"), except: [cidr("11.0.0.0/16")])
        let icmp = PushedRule(action: .allow, ports: .ports([ProtocolPorts(.icmp, .all)]))
        let rows: [([PushedEndpoint], PushedPolicyError)] = [
            ([endpoint, endpoint], .duplicateEndpoint(Self.vm)),
            ([endpoint, elsewhere], .addressOwned(address("10.0.0.50"), by: Self.vm)),
            ([nowhere], .noAddresses(Self.vm)),
            ([ofPod], .addressOwned(address("10.0.0.1"), by: web)),
            ([named], .nameOfPod(web)),
            (
                Self.vm([PushedRule(action: .allow, peers: .blocks([outside]))]).endpoints,
                .exceptOutsideBlock(outside, endpoint: Self.vm)
            ),
            (Self.vm([icmp]).endpoints, .portsWithoutProtocol(.icmp, endpoint: Self.vm)),
        ]
        for (endpoints, expected) in rows {
            #expect(throws: expected) { try pipeline.apply(pushed: PushedPolicy(endpoints: endpoints)) }
        }
        #expect(pipeline.compiled == before)
    }

    @Test func aPodThatComesLaterTakesTheAddressOver() throws {
        var pipeline = PolicyPipeline([])
        _ = try pipeline.apply(pushed: Self.vm([]))
        #expect(!pipeline.allows("8.8.8.8", "10.0.0.50", 80))
        _ = pipeline.apply([pod("web", [:], "10.0.0.50")])
        #expect(pipeline.allows("8.8.8.8", "10.0.0.50", 80))
        _ = pipeline.apply([.removed(ObjectKey(kind: .pod, namespace: "shop", name: "web"))])
        #expect(!pipeline.allows("8.8.8.8", "10.0.0.50", 80))
    }
}
