// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import RequestPolicy
import Requests
import Testing

/// The worked example of these tests: shop/api with its rules, and who its sources are.
enum Shop {
    static let viewer = PolicyReference(kind: "AuthorizationPolicy", namespace: "shop", name: "viewer")
    static let client = IPAddress(v4: 0x0a00_0001)
    static let stranger = IPAddress(v4: 0x0a00_0009)
    static let api = IPAddress(v4: 0x0a00_0002)

    static func rule(
        _ index: Int, _ action: RuleAction = .allow, peers: PeerMatch = .any, ports: [PortRange]? = nil,
        _ request: RequestMatch? = nil
    ) -> RequestRule {
        RequestRule(
            identity: .rule(viewer, .ingress, index: index, name: nil), action: action, peers: peers, ports: ports,
            request: request)
    }

    static func match(_ field: RequestCondition.Field, _ text: String, not: Bool = false) -> RequestMatch {
        RequestMatch(conditions: [
            RequestCondition(field, [.text(TextMatch(written: text))], isExcluded: not)
        ])
    }

    static let isolation = RequestRule(
        identity: .isolation(.ingress, by: [viewer]), action: .deny, ports: [.all])

    static var policy: RequestPolicy {
        var policy = RequestPolicy()
        policy.generation = 7
        policy.classes = [3: [PeerSetID(rawValue: 5)]]
        policy.sources[CIDR(host: client)] = AddressEntry(addressClass: AddressClassID(rawValue: 3))
        policy.programs[1] = RequestProgram(
            rules: [
                rule(0, .deny, match(.path, "/admin*")),
                rule(1, peers: .sets([PeerSetID(rawValue: 5)]), ports: [PortRange(80)], match(.method, "POST")),
                rule(2, peers: .terms([PeerTerm([PeerSetID(rawValue: 5)], isExcluded: true)]), ports: [PortRange(81)]),
                rule(3, ports: [PortRange(82)], match(.header("x-token"), "a*")), isolation,
            ], auditRules: [])
        policy.endpoints = [2: RequestEndpoint(name: "shop/api", addresses: [api], program: 1)]
        return policy
    }
}

@Suite struct RequestPolicyTests {
    @Test func requestsAreAnswered() {
        let policy = Shop.policy
        func answer(_ source: IPAddress, _ port: UInt16, _ request: HTTPRequest) -> RequestDecision {
            policy.answer(from: source, to: Shop.api, port: port, request)
        }
        func by(_ index: Int) -> RuleIdentity { .rule(Shop.viewer, .ingress, index: index, name: nil) }
        #expect(answer(Shop.client, 80, .init(method: "POST")) == RequestDecision(.allow, by: by(1)))
        #expect(answer(Shop.client, 80, .init(method: "GET")) == RequestDecision(.deny, by: Shop.isolation.identity))
        #expect(answer(Shop.stranger, 80, .init(method: "POST")).verdict == .deny)
        #expect(answer(Shop.client, 80, .init(method: "POST", path: "/admin")) == RequestDecision(.deny, by: by(0)))
        #expect(answer(Shop.stranger, 81, .init(method: "GET")) == RequestDecision(.allow, by: by(2)))
        #expect(answer(Shop.client, 81, .init(method: "GET")).verdict == .deny)
        #expect(answer(Shop.client, 82, .init(method: "GET", headers: ["x-token": "ab"])).verdict == .allow)
        #expect(answer(Shop.client, 80, .init(method: "POST", path: "//")).verdict == .refuse(.emptySegment))
        #expect(policy.answer(from: Shop.client, to: Shop.api, port: 80) == .ask)
        #expect(policy.answer(from: Shop.client, to: Shop.stranger, port: 80) == .unknown)
        #expect(policy.answer(from: Shop.api, to: Shop.api, port: 80) == .pass)
    }

    @Test func linesReadBack() throws {
        let policy = Shop.policy
        #expect(try RequestPolicyLines.policy(in: RequestPolicyChange(policy).bytes) == policy)
        #expect(throws: RequestPolicyError.unfinished) {
            try RequestPolicyLines.policy(in: RequestPolicyChange(policy).bytes.dropLast(5))
        }
    }

    @Test func changesReadBack() throws {
        var policy = Shop.policy
        var lines = RequestPolicyLines()
        #expect(try lines.read(RequestPolicyChange(policy).bytes))
        let steps: [(inout RequestPolicy) -> Void] = [
            { $0.programs[1]?.rules.removeLast() },
            { $0.sources[CIDR(IPAddress(v4: 0x0a00_0000), prefixLength: 8)] = AddressEntry.none },
            { $0.classes[4] = [PeerSetID(rawValue: 6)] },
            { $0.programs[9] = RequestProgram(rules: [], auditRules: [Shop.rule(4)]) },
            { $0.endpoints[2]?.program = 9 }, { $0.programs[1] = nil },
            { $0.sources[CIDR(host: Shop.client)] = nil }, { $0 = RequestPolicy() },
        ]
        for step in steps {
            let before = policy
            step(&policy)
            policy.generation += 1
            #expect(try lines.read(RequestPolicyChange(from: before, to: policy).bytes))
            #expect(lines.reader.policy == policy)
        }
        #expect(RequestPolicyChange(from: policy, to: policy).isEmpty)
    }

    @Test func whatIsLostIsNoticed() throws {
        let all = RequestPolicyChange(Shop.policy).lines
        for left in 1..<all.count - 1 {
            var reader = RequestPolicyReader()
            #expect(throws: RequestPolicyError.self) {
                for (index, line) in all.enumerated() where index != left { _ = try reader.read(line) }
            }
            #expect(reader.policy == nil)
        }
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"line":"class"}"#, #"{"line":"class","number":-1,"sets":[]}"#,
        #"{"line":"source","prefix":"x","class":1}"#, #"{"line":"commit","generation":"1","checksum":"0"}"#,
        #"{"line":"rule","action":"pass","identity":{"kind":"noPolicy"}}"#,
        #"{"line":"rule","action":"deny","identity":{"kind":"noPolicy"},"ports":[[2,1]]}"#,
        #"{"line":"rule","action":"deny","identity":{"kind":"noPolicy"},"request":[]}"#, #"{"line":"nonsense"}"#,
    ])
    func wrongLinesAreRefused(line: String) {
        #expect(throws: RequestPolicyError.self) { try RequestPolicyLine(json: Array(line.utf8)) }
    }

    @Test func limitsHold() {
        var reader = RequestPolicyReader(limits: .init(sources: 1, rules: 2, endpoints: 0))
        #expect(throws: RequestPolicyError.tooMany("rules", limit: 2)) {
            _ = try reader.read(.setProgram(1, rules: 3, auditRules: 0))
        }
        #expect(throws: RequestPolicyError.tooMany("endpoints", limit: 0)) {
            var reader = RequestPolicyReader(limits: .init(sources: 1, rules: 2, endpoints: 0))
            _ = try reader.read(.setEndpoint(1, RequestEndpoint(name: "a", addresses: [], program: 1)))
        }
    }
}
