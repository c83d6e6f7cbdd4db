// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Resolved policy that another controller pushes: endpoints of this node with ordered rules, no selectors.
public struct PushedPolicy: Sendable, Hashable {
    public var endpoints: [PushedEndpoint]
    public init(endpoints: [PushedEndpoint] = []) { self.endpoints = endpoints }

    /// What one push may hold.
    public enum Limit {
        public static let endpoints = 2047
        public static let addressesPerEndpoint = 64
        public static let rulesPerDirection = 10_000
        public static let blocksPerRule = 100_000
        public static let portsPerRule = 1_024
    }
}

/// One endpoint with the rules of both directions.
public struct PushedEndpoint: Sendable, Hashable {
    /// Of ``EndpointKind/pushed``.
    public var name: EndpointName { didSet { name.kind = .pushed } }
    public var addresses: [IPAddress]
    public var ingress: PushedDirection
    public var egress: PushedDirection

    public init(
        name: EndpointName, addresses: [IPAddress], ingress: PushedDirection = PushedDirection(),
        egress: PushedDirection = PushedDirection()
    ) {
        self.name = EndpointName(kind: .pushed, namespace: name.namespace, name: name.name)
        self.addresses = addresses
        self.ingress = ingress
        self.egress = egress
    }
}

/// Rules in order, the first match decides; without one, or after a rule that passes, the default does.
public struct PushedDirection: Sendable, Hashable {
    public var rules: [PushedRule]
    public var defaultVerdict: Verdict
    public init(rules: [PushedRule] = [], defaultVerdict: Verdict = .allow) {
        self.rules = rules
        self.defaultVerdict = defaultVerdict
    }
}

public struct PushedRule: Sendable, Hashable {
    public enum Peers: Sendable, Hashable {
        case any
        /// Any of these; empty: no peer.
        case blocks([AddressBlock])
    }
    public var name: String?
    public var action: RuleAction
    public var peers: Peers
    public var ports: PortMatch
    public init(name: String? = nil, action: RuleAction, peers: Peers = .any, ports: PortMatch = .any) {
        self.name = name
        self.action = action
        self.peers = peers
        self.ports = ports
    }
}

/// Why a pushed policy was refused; what was in force stays.
public enum PushedPolicyError: Error, Sendable, Hashable, CustomStringConvertible {
    case duplicateEndpoint(EndpointName)
    /// A pod of this node has the same name.
    case nameOfPod(EndpointName)
    case noAddresses(EndpointName)
    /// The address is another endpoint's: a pod's of this node, or an earlier one's of this push.
    case addressOwned(IPAddress, by: EndpointName)
    case exceptOutsideBlock(AddressBlock, endpoint: EndpointName)
    /// Ports of a protocol that has none.
    case portsWithoutProtocol(IPProtocol, endpoint: EndpointName)
    case overLimit(what: String, limit: Int, endpoint: EndpointName?)

    public var description: String {
        switch self {
        case .duplicateEndpoint(let name): return "endpoint \(name) is given twice"
        case .nameOfPod(let name): return "endpoint \(name) is a pod of this node"
        case .noAddresses(let name): return "endpoint \(name) has no addresses"
        case .addressOwned(let address, let owner): return "address \(address) is already \(owner)'s"
        case .exceptOutsideBlock(let block, let name):
            return "endpoint \(name): an except of \(block) is not inside it"
        case .portsWithoutProtocol(let ipProtocol, let name):
            return "endpoint \(name): protocol \(ipProtocol) has no ports"
        case .overLimit(let what, let limit, let name):
            return "\(name.map { "endpoint \($0): " } ?? "")more than \(limit) \(what)"
        }
    }
}

extension PushedPolicy {
    /// Checks what can be checked without the cluster.
    func validate() throws(PushedPolicyError) {
        guard endpoints.count <= Limit.endpoints else {
            throw .overLimit(what: "endpoints", limit: Limit.endpoints, endpoint: nil)
        }
        var names: Set<EndpointName> = []
        var owners: [IPAddress: EndpointName] = [:]
        for endpoint in endpoints {
            let name = endpoint.name
            guard names.insert(name).inserted else { throw .duplicateEndpoint(name) }
            guard !endpoint.addresses.isEmpty else { throw .noAddresses(name) }
            guard endpoint.addresses.count <= Limit.addressesPerEndpoint else {
                throw .overLimit(what: "addresses", limit: Limit.addressesPerEndpoint, endpoint: name)
            }
            for address in endpoint.addresses {
                if let owner = owners.updateValue(name, forKey: address) { throw .addressOwned(address, by: owner) }
            }
            try endpoint.ingress.validate(of: name)
            try endpoint.egress.validate(of: name)
        }
    }
}

extension PushedDirection {
    fileprivate func validate(of name: EndpointName) throws(PushedPolicyError) {
        typealias Limit = PushedPolicy.Limit
        guard rules.count <= Limit.rulesPerDirection else {
            throw .overLimit(what: "rules", limit: Limit.rulesPerDirection, endpoint: name)
        }
        for rule in rules {
            if case .blocks(let blocks) = rule.peers {
                guard blocks.count <= Limit.blocksPerRule else {
                    throw .overLimit(what: "blocks", limit: Limit.blocksPerRule, endpoint: name)
                }
                for block in blocks where !block.except.allSatisfy({ block.cidr.contains($0) }) {
                    throw .exceptOutsideBlock(block, endpoint: name)
                }
            }
            if case .ports(let ports) = rule.ports {
                guard ports.count <= Limit.portsPerRule else {
                    throw .overLimit(what: "ports", limit: Limit.portsPerRule, endpoint: name)
                }
                for port in ports where !port.ipProtocol.hasPorts {
                    throw .portsWithoutProtocol(port.ipProtocol, endpoint: name)
                }
            }
        }
    }
}
