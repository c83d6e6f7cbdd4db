// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension Policy {
    /// An AuthorizationPolicy protects pods of its own namespace, or of every namespace if it is in the mesh's root
    /// namespace. It judges TCP into them.
    ///
    /// A rule with several sources or operations is one rule here for each pair. A rule that allows and has parts that
    /// are not understood is left out.
    public init(_ policy: AuthorizationPolicy, mesh: MeshSettings) {
        let namespace = policy.metadata.namespace
        let isMeshWide = namespace == mesh.rootNamespace
        let reading = AuthorizationReading(
            action: policy.action == .allow ? .allow : .deny, namespace: namespace, trustDomains: mesh.trustDomains)
        let isClosed = policy.action == .allow && !policy.unknown.isEmpty
        self.init(
            reference: PolicyReference(
                kind: ObjectKind.authorizationPolicy.rawValue, namespace: namespace, name: policy.metadata.name),
            layer: .authorization,
            subject: PodSubject(
                namespaces: isMeshWide ? .selector(LabelSelector()) : .named(namespace), pods: policy.selector),
            isolates: policy.action == .allow ? [.ingress] : [],
            ingress: isClosed
                ? [] : policy.rules.enumerated().flatMap { reading.rules(of: $1, writtenIndex: $0) },
            enforcement: policy.action == .audit ? .audit : policy.enforcement, isReport: policy.action == .audit,
            unknown: policy.allUnknown)
    }
}

/// What the meaning of a written rule depends on.
private struct AuthorizationReading {
    /// Of the rules: those of an audit deny, in audit.
    var action: RuleAction
    var namespace: String
    var trustDomains: [String]

    func rules(of rule: AuthorizationRule, writtenIndex: Int) -> [PolicyRule] {
        guard !isClosed(by: rule.unknown) else { return [] }
        let sources: [AuthorizationSource?] = rule.sources ?? [nil]
        let operations: [AuthorizationOperation?] = rule.operations ?? [nil]
        let known = sources.filter { !isClosed(by: $0?.unknown ?? []) }
        return known.flatMap { source in
            operations.filter { !isClosed(by: $0?.unknown ?? []) }.map { operation in
                self.rule(rule, source, operation, writtenIndex: writtenIndex)
            }
        }
    }

    private func isClosed(by unknown: [String]) -> Bool { action == .allow && !unknown.isEmpty }

    private func rule(
        _ rule: AuthorizationRule, _ source: AuthorizationSource?, _ operation: AuthorizationOperation?,
        writtenIndex: Int
    ) -> PolicyRule {
        var ports = PortRanges()
        var conditions = source.map { self.conditions($0) } ?? []
        var destinations: [DestinationCondition] = []
        var requests = operation.map { RequestCondition.all(of: $0) } ?? []
        if let operation { ports.restrict(to: operation.ports, except: operation.notPorts) }
        for condition in rule.conditions {
            switch condition.key {
            case .sourceIP, .sourceNamespace, .sourcePrincipal, .sourceServiceAccount:
                conditions += self.conditions(condition)
            case .destinationIP:
                destinations += [(condition.values, false), (condition.notValues, true)].compactMap {
                    $0.isEmpty ? nil : DestinationCondition($0.compactMap(CIDR.init(written:)), isExcluded: $1)
                }
            case .destinationPort:
                ports.restrict(
                    to: condition.values.compactMap { UInt16($0) },
                    except: condition.notValues.compactMap { UInt16($0) })
            case .header(let name):
                requests += RequestCondition.both(
                    .header(name), condition.values, condition.notValues, RequestValue.init(written:))
            case .unreadable: break
            }
        }
        return PolicyRule(
            action: action, conditions: conditions, destinations: destinations,
            ports: ports.ranges.map { .range(ProtocolPorts(.tcp, $0)) },
            request: requests.isEmpty ? nil : RequestMatch(conditions: requests), writtenIndex: writtenIndex)
    }

    // MARK: Who

    private func conditions(_ source: AuthorizationSource) -> [PeerCondition] {
        both(source.principals, source.notPrincipals, identities(principal:))
            + both(source.namespaces, source.notNamespaces, identities(namespace:))
            + both(source.serviceAccounts, source.notServiceAccounts, identities(account:))
            + both(source.ipBlocks, source.notIpBlocks) { [.block(AddressBlock(cidr: $0))] }
    }

    private func conditions(_ condition: AuthorizationCondition) -> [PeerCondition] {
        let (values, notValues) = (condition.values, condition.notValues)
        return switch condition.key {
        case .sourceNamespace: both(values, notValues, identities(namespace:))
        case .sourcePrincipal: both(values, notValues, identities(principal:))
        case .sourceServiceAccount: both(values, notValues, identities(account:))
        case .sourceIP:
            both(values, notValues) { CIDR(written: $0).map { [.block(AddressBlock(cidr: $0))] } ?? [] }
        case .destinationIP, .destinationPort, .header, .unreadable: []
        }
    }

    /// A condition for each of the two lists that is written.
    private func both<T>(
        _ values: [T], _ notValues: [T], _ peers: (T) -> [PolicyPeer]
    ) -> [PeerCondition] {
        [(values, false), (notValues, true)].compactMap { list, isExcluded in
            list.isEmpty ? nil : PeerCondition(list.flatMap(peers), isExcluded: isExcluded)
        }
    }

    private func identities(principal: String) -> [PolicyPeer] {
        let match = TextMatch(written: principal)
        var found: [PodIdentity] = []
        for identity in trustDomains.compactMap({ match.identities(inTrustDomain: $0) })
        where !found.contains(identity) {
            found.append(identity)
        }
        return found.map { .identity($0) }
    }

    private func identities(namespace: String) -> [PolicyPeer] {
        [.identity(PodIdentity(namespace: TextMatch(written: namespace)))]
    }

    /// `account`, of the policy's namespace, or `namespace/account`.
    private func identities(account: String) -> [PolicyPeer] {
        let parts = account.split(separator: "/", maxSplits: 1).map(String.init)
        let namespace = parts.count > 1 ? parts[0] : namespace
        return [.identity(PodIdentity(namespace: .exact(namespace), account: .exact(parts.last ?? "")))]
    }
}

extension RequestCondition {
    /// What an operation asks of a request. Hosts are compared in lower case.
    fileprivate static func all(of operation: AuthorizationOperation) -> [RequestCondition] {
        both(.method, operation.methods, operation.notMethods, RequestValue.init(written:))
            + both(.host, operation.hosts, operation.notHosts) { RequestValue(written: $0.lowercased()) }
            + both(.path, operation.paths, operation.notPaths) { RequestValue(path: $0) }
    }

    /// A condition for each of the two lists that is written.
    fileprivate static func both(
        _ field: Field, _ values: [String], _ notValues: [String], _ read: (String) -> RequestValue?
    ) -> [RequestCondition] {
        [(values, false), (notValues, true)].compactMap { list, isExcluded in
            list.isEmpty ? nil : RequestCondition(field, list.compactMap(read), isExcluded: isExcluded)
        }
    }
}

extension RequestValue {
    fileprivate init(written text: String) { self = .text(TextMatch(written: text)) }
}

extension CIDR {
    /// Nil if the text is not one that decoding accepts.
    fileprivate init?(written text: String) {
        guard let prefix = try? CIDR(addressOrPrefix: text) else { return nil }
        self = prefix
    }
}

/// Some TCP ports, as sorted ranges that do not touch.
private struct PortRanges {
    private(set) var ranges = [PortRange.all]

    /// Keeps those that are among `ports`, unless that is empty, and not among `others`.
    mutating func restrict(to ports: [UInt16], except others: [UInt16]) {
        if !ports.isEmpty {
            ranges = Set(ports).sorted().filter { port in ranges.contains { $0.contains(port) } }.map { PortRange($0) }
        }
        for port in others {
            ranges = ranges.flatMap { range -> [PortRange] in
                guard range.contains(port) else { return [range] }
                var rest: [PortRange] = []
                if port > range.first { rest.append(PortRange(range.first, port - 1)) }
                if port < range.last { rest.append(PortRange(port + 1, range.last)) }
                return rest
            }
        }
    }
}
