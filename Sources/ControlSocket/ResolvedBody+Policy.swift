// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import NetworkTypes
import PolicyModel
import PolicyResolver

extension PushedPolicy {
    /// Reads the body's addresses, prefixes, names and numbers.
    ///
    /// - Throws: an ``ErrorAnswer`` that names each field that is wrong.
    package init(_ body: ResolvedBody) throws(ErrorAnswer) {
        var reader = ResolvedReader()
        let endpoints = body.endpoints.enumerated().map { reader.endpoint($1, at: "endpoints[\($0)]") }
        guard reader.problems.isEmpty else {
            throw ErrorAnswer(
                .invalidBody, "nothing was changed: the resolved policy is not valid", problems: reader.problems)
        }
        self.init(endpoints: endpoints)
    }
}

/// Reads texts into values and collects errors; the values count only without errors.
private struct ResolvedReader {
    var problems: [Problem] = []

    mutating func endpoint(_ body: ResolvedEndpointBody, at path: String) -> PushedEndpoint {
        if body.name.isEmpty { problem("\(path).name", "is empty") }
        if body.addresses.isEmpty { problem("\(path).addresses", "is empty; an endpoint needs at least one address") }
        let addresses = body.addresses.enumerated().compactMap { index, text in
            address(text, at: "\(path).addresses[\(index)]")
        }
        return PushedEndpoint(
            name: EndpointName(namespace: body.namespace ?? "", name: body.name), addresses: addresses,
            ingress: direction(body.ingress, at: "\(path).ingress"),
            egress: direction(body.egress, at: "\(path).egress"))
    }

    private mutating func direction(_ body: ResolvedDirectionBody?, at path: String) -> PushedDirection {
        guard let body else { return PushedDirection(defaultVerdict: .allow) }
        let rules = (body.rules ?? []).enumerated().map { rule($1, at: "\(path).rules[\($0)]") }
        let verdict = Verdict(rawValue: body.default)
        if verdict == nil { problem("\(path).default", "must be allow or deny") }
        return PushedDirection(rules: rules, defaultVerdict: verdict ?? .deny)
    }

    private mutating func rule(_ body: ResolvedRuleBody, at path: String) -> PushedRule {
        let action = RuleAction(rawValue: body.action)
        if action == nil { problem("\(path).action", "must be allow, deny or pass") }
        let peers = body.peers?.enumerated().compactMap { block($1, at: "\(path).peers[\($0)]") }
        let ports = body.ports?.enumerated().compactMap { self.ports($1, at: "\(path).ports[\($0)]") }
        return PushedRule(
            name: body.name, action: action ?? .deny, peers: peers.map { .blocks($0) } ?? .any,
            ports: ports.map { .ports($0) } ?? .any)
    }

    private mutating func block(_ body: PeerBody, at path: String) -> AddressBlock? {
        guard let outer = cidr(body.cidr, at: "\(path).cidr") else { return nil }
        let inner = (body.except ?? []).enumerated().compactMap { index, text -> CIDR? in
            guard let inner = cidr(text, at: "\(path).except[\(index)]") else { return nil }
            if !outer.contains(inner) || inner == outer {
                problem("\(path).except[\(index)]", "is not a smaller part of \(outer)")
            }
            return inner
        }
        return AddressBlock(cidr: outer, except: inner)
    }

    private mutating func ports(_ body: PortBody, at path: String) -> ProtocolPorts? {
        guard let ipProtocol = IPProtocol(name: body.protocol), ipProtocol.hasPorts else {
            problem("\(path).protocol", "must be TCP, UDP or SCTP")
            return nil
        }
        guard let port = body.port else {
            if body.endPort != nil { problem("\(path).endPort", "needs port") }
            return ProtocolPorts(ipProtocol, .all)
        }
        guard let first = number(port, at: "\(path).port"),
            let last = number(body.endPort ?? port, at: "\(path).endPort")
        else { return nil }
        guard first <= last else {
            problem("\(path).endPort", "is below port")
            return nil
        }
        return ProtocolPorts(ipProtocol, PortRange(first, last))
    }

    private mutating func number(_ port: Int, at path: String) -> UInt16? {
        let number = UInt16(exactly: port)
        if number == nil { problem(path, "must be a port from 0 to 65535") }
        return number
    }

    private mutating func address(_ text: String, at path: String) -> IPAddress? {
        do {
            return try IPAddress(text)
        } catch {
            problem(path, error.description)
            return nil
        }
    }

    private mutating func cidr(_ text: String, at path: String) -> CIDR? {
        do {
            return try CIDR(text)
        } catch {
            problem(path, error.description)
            return nil
        }
    }

    private mutating func problem(_ field: String, _ reason: String) {
        problems.append(Problem(field: field, reason: reason))
    }
}
