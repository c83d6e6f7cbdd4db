// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import RequestDecider
import RequestPolicy
import SPOP

/// What these tests decide about: shop/api 10.0.0.2 and fd00::2, and its client 10.0.0.1 and fd00::1.
///
/// Rules of port 80: no /admin for all, POST for the client, GET with a token for all, nothing else. Port 81: no
/// request is read for the client, and all others are denied. A policy in audit would deny PUT on port 82.
enum DeciderShop {
    static let viewer = PolicyReference(kind: "AuthorizationPolicy", namespace: "shop", name: "viewer")
    static let trial = PolicyReference(kind: "AuthorizationPolicy", namespace: "shop", name: "trial")
    static let client = IPAddress(v4: 0x0a00_0001)
    static let client6 = IPAddress(v6High: 0xfd00 << 48, low: 1)
    static let stranger = IPAddress(v4: 0x0a00_0009)
    static let api = IPAddress(v4: 0x0a00_0002)
    static let api6 = IPAddress(v6High: 0xfd00 << 48, low: 2)
    private static let clients = PeerSetID(rawValue: 5)

    static func rule(
        _ index: Int, _ action: RuleAction = .allow, of policy: PolicyReference = viewer, peers: PeerMatch = .any,
        port: UInt16, _ conditions: (RequestCondition.Field, String)...
    ) -> RequestRule {
        let request = conditions.map { RequestCondition($0.0, [.text(TextMatch(written: $0.1))]) }
        return RequestRule(
            identity: .rule(policy, .ingress, index: index, name: nil), action: action, peers: peers,
            ports: [PortRange(port)], request: request.isEmpty ? nil : RequestMatch(conditions: request))
    }

    static let isolation = RequestRule(identity: .isolation(.ingress, by: [viewer]), action: .deny)

    static var policy: RequestPolicy {
        var policy = RequestPolicy()
        policy.generation = 7
        policy.classes = [3: [clients]]
        for address in [client, client6] {
            policy.sources[CIDR(host: address)] = AddressEntry(addressClass: AddressClassID(rawValue: 3))
        }
        let rules = [
            rule(0, .deny, port: 80, (.path, "/admin*")),
            rule(1, peers: .sets([clients]), port: 80, (.method, "POST")),
            rule(2, port: 80, (.method, "GET"), (.header("x-token"), "a*")),
            rule(3, peers: .sets([clients]), port: 81), rule(4, port: 82, (.host, "api.shop")), isolation,
        ]
        policy.programs[1] = RequestProgram(
            rules: rules, auditRules: [rule(0, .deny, of: trial, port: 82, (.method, "PUT"))] + rules)
        policy.endpoints = [2: RequestEndpoint(name: "shop/api", addresses: [api, api6], program: 1)]
        return policy
    }

    /// The arguments of deploy/requests/spoe.cfg.
    static func message(
        _ name: String = "request", from source: IPAddress = client, to destination: IPAddress = api,
        port: UInt16 = 80, method: String = "POST", target: String = "/", host: String? = "api"
    ) -> SPOPMessage {
        var arguments: [SPOPMessage.Argument] = [
            .init(name: "source", value: SPOPValue(source)), .init(name: "sourcePort", value: .int32(40_000)),
            .init(name: "destination", value: SPOPValue(destination)),
            .init(name: "port", value: .int32(Int32(port))),
        ]
        if name != "flow" {
            arguments += [
                .init(name: "method", value: .text(method)), .init(name: "target", value: .text(target)),
            ]
        }
        if name == "request" { arguments.append(.init(name: "host", value: host.map(SPOPValue.text) ?? .null)) }
        return SPOPMessage(name: name, arguments: arguments)
    }

    /// The second question about a request, with its headers.
    static func headers(
        _ headers: [(String, String)], from source: IPAddress = client, port: UInt16 = 80, method: String = "POST",
        target: String = "/"
    ) -> SPOPMessage {
        var message = message("headers", from: source, port: port, method: method, target: target)
        var bytes: [UInt8] = []
        for (name, value) in headers + [("", "")] {
            for text in [name, value] { bytes += [UInt8(text.utf8.count)] + Array(text.utf8) }
        }
        message.arguments.append(.init(name: "headers", value: .binary(bytes)))
        return message
    }
}

extension SPOPValue {
    init(_ address: IPAddress) {
        self = address.family == .ipv4 ? .ipv4(address.v4) : .ipv6(address.high, address.low)
    }
}

extension SPOPMessage {
    /// With another value of an argument; nil: without the argument.
    func with(_ name: String, _ value: SPOPValue?) -> SPOPMessage {
        var copy = self
        copy.arguments.removeAll { $0.name == name }
        if let value { copy.arguments.append(.init(name: name, value: value)) }
        return copy
    }
}

/// A decider that is asked inside of expectations.
final class AskedDecider {
    private var decider: RequestDecider

    init(_ policy: RequestPolicy? = nil, recordsAllowed: Bool = false) {
        decider = RequestDecider(policy, recordsAllowed: recordsAllowed)
    }

    var policy: RequestPolicy? { decider.policy }
    var counters: RequestCounters { decider.counters }
    func take(_ policy: RequestPolicy) { decider.take(policy) }
    func answer(_ message: SPOPMessage) -> RequestDecider.Answer { decider.answer(message) { "now" } }
    /// The verdict for HAProxy.
    func verdict(_ message: SPOPMessage) -> String? { answer(message).verdict }
    func record(_ message: SPOPMessage) -> RequestCounts.Denied? { answer(message).record }
    func passes(_ source: IPAddress, _ destination: IPAddress, _ port: UInt16) -> Bool {
        decider.passes(from: source, to: destination, port: port)
    }

    /// What the daemon has not been told.
    func told() -> RequestCounts? { decider.counters.takeUntold(generation: policy?.generation ?? 0) }
    func putBack(_ body: RequestCounts) { decider.counters.putBack(body) }
    func refuse(_ reason: String) { decider.counters.refuse(reason) }
}

extension RequestDecider.Answer {
    /// Nil if it is not one variable of the right name and scope.
    var verdict: String? {
        guard variables.count == 1, variables[0].name == "verdict", case .string(let bytes) = variables[0].value else {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
