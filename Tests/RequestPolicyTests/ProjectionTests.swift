// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel
import RequestPolicy
import Requests
import Testing

/// The projection answers as the tables do, for random rules.
@Suite struct ProjectionTests {
    private let addresses = (1...6).map { IPAddress(v4: 0x0a00_0000 + $0) }
    private let api = EndpointName(namespace: "shop", name: "api")
    private let policy = PolicyReference(kind: "AuthorizationPolicy", namespace: "shop", name: "p")

    private func change(_ generator: inout SystemRandomNumberGenerator) -> ResolvedChange {
        var change = ResolvedChange()
        let sets = (1...3).map { PeerSetID(rawValue: $0) }
        for set in sets { change.addedPeerSets[set] = PeerSetDescription(description: "set \(set.rawValue)") }
        for (index, address) in addresses.dropFirst().enumerated() {
            let group = PeerGroupID(rawValue: UInt32(index + 1))
            let member = sets.filter { _ in Bool.random(using: &generator) }
            if !member.isEmpty { change.groups[group] = member }
            change.addresses.append(AddressGroup(address, member.isEmpty ? nil : group))
        }
        var rules: [ResolvedRule] = []
        for action in [RuleAction.deny, .allow] {
            let made = (0..<Int.random(in: 0...3, using: &generator)).map { rule(action, $0, sets, &generator) }
            rules += made.filter { $0.request == nil } + made.filter { $0.request != nil }
        }
        if Bool.random(using: &generator) {
            rules.append(
                ResolvedRule(
                    identity: .isolation(.ingress, by: [policy]), action: .deny, peers: .any,
                    ports: .ports([ProtocolPorts(.tcp, .all)])))
        }
        let tier = ResolvedTier(tier: .authorization, rules: rules, otherwiseDeny: nil)
        change.endpoints[api] = ResolvedEndpoint(
            name: api, addresses: [addresses[0]], ingress: ResolvedDirection(tiers: [tier]),
            egress: ResolvedDirection())
        return change
    }

    private func rule(
        _ action: RuleAction, _ index: Int, _ sets: [PeerSetID], _ generator: inout SystemRandomNumberGenerator
    ) -> ResolvedRule {
        let one = sets[Int.random(in: 0..<sets.count, using: &generator)]
        let other = sets[Int.random(in: 0..<sets.count, using: &generator)]
        let peers: [PeerMatch] = [
            .any, .sets([one]), .terms([PeerTerm([one]), PeerTerm([other], isExcluded: true)]),
            .terms([PeerTerm([one], isExcluded: true)]),
        ]
        let fields: [(RequestCondition.Field, String)] = [
            (.method, "GET"), (.path, "/a*"), (.host, "h"), (.header("x"), "1"),
        ]
        let (field, text) = fields[Int.random(in: 0..<fields.count, using: &generator)]
        let request = RequestMatch(conditions: [
            RequestCondition(
                field, [.text(TextMatch(written: text))], isExcluded: Bool.random(using: &generator))
        ])
        return ResolvedRule(
            identity: .rule(policy, .ingress, index: (action == .deny ? 0 : 100) + index, name: nil), action: action,
            peers: peers[Int.random(in: 0..<peers.count, using: &generator)],
            ports: .ports([ProtocolPorts(.tcp, Bool.random(using: &generator) ? .all : PortRange(80))]),
            request: Bool.random(using: &generator) ? request : nil)
    }

    @Test func theProjectionAnswersAsTheTables() throws {
        var generator = SystemRandomNumberGenerator()
        var handedOver = 0
        for _ in 0..<400 {
            var compiler = PolicyCompiler()
            _ = compiler.compile(change(&generator))
            let compiled = compiler.compiled
            let policy = try RequestPolicyLines.policy(
                in: RequestPolicyChange(RequestPolicy(compiled, generation: 3)).bytes)
            #expect(policy == RequestPolicy(compiled, generation: 3))
            for source in addresses.dropFirst() {
                for port: UInt16 in [80, 81] {
                    handedOver += compare(policy, compiled, source, port, &generator)
                }
            }
        }
        #expect(handedOver > 500)
    }

    /// - Returns: 1 if the flow is handed over.
    private func compare(
        _ policy: RequestPolicy, _ compiled: CompiledPolicy, _ source: IPAddress, _ port: UInt16,
        _ generator: inout SystemRandomNumberGenerator
    ) -> Int {
        let flow = Flow(source: source, destination: addresses[0], ipProtocol: .tcp, destinationPort: port)
        let expected = compiled.evaluate(flow).ingress
        let answer = policy.answer(from: source, to: addresses[0], port: port)
        switch (expected?.verdict, answer) {
        case (.dependsOnRequest?, .ask): break
        case (.dependsOnRequest?, _): Issue.record("\(answer) for \(flow)")
        case (.deny?, .deny(let rule)): #expect(rule == expected?.identity)
        case (.allow?, .pass), (_, .unknown): return 0
        default: Issue.record("\(answer), not \(String(describing: expected?.verdict))")
        }
        guard answer == .ask else { return 0 }
        let request = HTTPRequest(
            method: Bool.random(using: &generator) ? "GET" : "PUT", host: Bool.random(using: &generator) ? "h" : "i",
            path: ["/a", "/b", "/b/../a", "//"][Int.random(in: 0..<4, using: &generator)],
            headers: Bool.random(using: &generator) ? ["x": "1"] : [:])
        let decided = compiled.evaluate(flow, request: request).ingress
        let found = policy.answer(from: source, to: addresses[0], port: port, request)
        #expect((found.verdict == .allow) == (decided?.verdict == .allow))
        if case .refuse = found.verdict { return 1 }
        #expect(found.rule ?? .noPolicy(.ingress) == decided?.identity)
        return 1
    }
}
