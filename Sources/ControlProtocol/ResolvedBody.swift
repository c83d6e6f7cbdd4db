// SPDX-License-Identifier: Apache-2.0

/// Body of `PUT /v1/resolved` and answer of `GET /v1/resolved`: resolved policy as a whole. It replaces the previous
/// one. Only these rules decide for the endpoints that it names.
public struct ResolvedBody: Codable, Sendable, Hashable {
    public var endpoints: [ResolvedEndpointBody]
    public init(endpoints: [ResolvedEndpointBody]) { self.endpoints = endpoints }

    enum CodingKeys: CodingKey, CaseIterable { case endpoints }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        endpoints = try values.decode([ResolvedEndpointBody].self, forKey: .endpoints)
    }
}

/// One endpoint of this node with its rules.
public struct ResolvedEndpointBody: Codable, Sendable, Hashable {
    /// Optional.
    public var namespace: String?
    public var name: String
    /// IPv4 and IPv6 addresses, at least one.
    public var addresses: [String]
    /// Nil: everything is allowed in this direction.
    public var ingress: ResolvedDirectionBody?
    /// Nil: everything is allowed in this direction.
    public var egress: ResolvedDirectionBody?
    public init(
        namespace: String? = nil, name: String, addresses: [String], ingress: ResolvedDirectionBody? = nil,
        egress: ResolvedDirectionBody? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.addresses = addresses
        self.ingress = ingress
        self.egress = egress
    }

    enum CodingKeys: CodingKey, CaseIterable { case namespace, name, addresses, ingress, egress }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        namespace = try values.decodeIfPresent(String.self, forKey: .namespace)
        name = try values.decode(String.self, forKey: .name)
        addresses = try values.decode([String].self, forKey: .addresses)
        ingress = try values.decodeIfPresent(ResolvedDirectionBody.self, forKey: .ingress)
        egress = try values.decodeIfPresent(ResolvedDirectionBody.self, forKey: .egress)
    }
}

/// The rules of one direction.
public struct ResolvedDirectionBody: Codable, Sendable, Hashable {
    /// In order; the first rule that matches decides. Optional.
    public var rules: [ResolvedRuleBody]?
    /// `allow` or `deny`: what happens when no rule matches.
    public var `default`: String
    public init(rules: [ResolvedRuleBody]? = nil, default: String) {
        self.rules = rules
        self.default = `default`
    }

    enum CodingKeys: CodingKey, CaseIterable { case rules, `default` }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        rules = try values.decodeIfPresent([ResolvedRuleBody].self, forKey: .rules)
        self.default = try values.decode(String.self, forKey: .default)
    }
}

/// One rule.
public struct ResolvedRuleBody: Codable, Sendable, Hashable {
    /// Shown in verdicts, events and counters. Optional.
    public var name: String?
    /// `allow`, `deny`, or `pass` (continue with `default`).
    public var action: String
    /// Left out: every peer. An empty list is refused.
    public var peers: [PeerBody]?
    /// Left out: every port of every protocol. An empty list is refused.
    public var ports: [PortBody]?
    public init(name: String? = nil, action: String, peers: [PeerBody]? = nil, ports: [PortBody]? = nil) {
        self.name = name
        self.action = action
        self.peers = peers
        self.ports = ports
    }

    enum CodingKeys: CodingKey, CaseIterable { case name, action, peers, ports }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        name = try values.decodeIfPresent(String.self, forKey: .name)
        action = try values.decode(String.self, forKey: .action)
        peers = try values.listIfPresent(of: PeerBody.self, forKey: .peers)
        ports = try values.listIfPresent(of: PortBody.self, forKey: .ports)
    }
}

/// The peers that a rule matches.
public struct PeerBody: Codable, Sendable, Hashable {
    /// `address/length`.
    public var cidr: String
    /// Prefixes inside `cidr` that do not match. Optional.
    public var except: [String]?
    public init(cidr: String, except: [String]? = nil) {
        self.cidr = cidr
        self.except = except
    }

    enum CodingKeys: CodingKey, CaseIterable { case cidr, except }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        cidr = try values.decode(String.self, forKey: .cidr)
        except = try values.decodeIfPresent([String].self, forKey: .except)
    }
}

/// Ports that a rule matches.
public struct PortBody: Codable, Sendable, Hashable {
    /// `TCP`, `UDP` or `SCTP`.
    public var `protocol`: String
    /// 0 to 65535. Left out: every port of the protocol.
    public var port: Int?
    /// The last port of a range that begins with `port`. Not below it.
    public var endPort: Int?
    public init(protocol: String, port: Int? = nil, endPort: Int? = nil) {
        self.protocol = `protocol`
        self.port = port
        self.endPort = endPort
    }

    enum CodingKeys: CodingKey, CaseIterable { case `protocol`, port, endPort }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        self.protocol = try values.decode(String.self, forKey: .protocol)
        port = try values.decodeIfPresent(Int.self, forKey: .port)
        endPort = try values.decodeIfPresent(Int.self, forKey: .endPort)
    }
}
