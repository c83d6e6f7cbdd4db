// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// What a node knows beside the cluster's objects.
public struct OracleSettings: Sendable, Hashable {
    /// Destinations of the node's local routes: its interfaces' addresses, and whole prefixes.
    public var localAddresses: [CIDR]
    /// Whether the NetworkPolicy tier decides about traffic from a pod to its own node.
    public var enforcesNetworkPolicyOnOwnNode: Bool
    /// Where the node-local name server answers.
    public var nodeDNS: [IPAddress]
    /// The namespace whose authorization policies are for every namespace.
    public var rootNamespace: String
    /// With which principals may begin.
    public var trustDomains: [String]

    public init(
        localAddresses: [CIDR] = [], enforcesNetworkPolicyOnOwnNode: Bool = false, nodeDNS: [IPAddress] = [],
        rootNamespace: String = "istio-system", trustDomains: [String] = ["cluster.local"]
    ) {
        self.localAddresses = localAddresses
        self.enforcesNetworkPolicyOnOwnNode = enforcesNetworkPolicyOnOwnNode
        self.nodeDNS = nodeDNS
        self.rootNamespace = rootNamespace
        self.trustDomains = trustDomains
    }
}

/// SEMANTICS.md written down as slow and obvious code: what one node decides about one flow. It shares nothing with
/// the compiler, indexes nothing but the owners of addresses, and walks all policies for every question.
public struct Oracle: Sendable {
    public let nodeName: String
    let settings: OracleSettings
    let policies: [NetworkPolicy]
    let tierPolicies: [TierPolicy]
    let authorizationPolicies: [AuthorizationPolicy]
    let nodes: [Node]
    /// By name; a namespace that has no object is not here.
    let namespaces: [String: Namespace]
    /// The pod that each pod address belongs to, on whatever node.
    let owners: [IPAddress: Pod]
    /// What this node takes in itself by its local routes.
    let localRoutes: [CIDR]
    /// Addresses of this node that objects tell.
    private let toldAddresses: Set<IPAddress>

    /// Of several objects with one kind, namespace and name, the last counts.
    public init(objects: [KubernetesObject], nodeName: String, settings: OracleSettings = OracleSettings()) {
        var latest: [ObjectKey: KubernetesObject] = [:]
        for object in objects { latest[object.key] = object }

        var pods: [Pod] = []
        var policies: [NetworkPolicy] = []
        var tierPolicies: [TierPolicy] = []
        var authorizationPolicies: [AuthorizationPolicy] = []
        var nodes: [Node] = []
        var namespaces: [String: Namespace] = [:]
        var toldAddresses: Set<IPAddress> = []
        for object in latest.values {
            switch object {
            case .pod(let pod):
                pods.append(pod)
                if pod.nodeName == nodeName { toldAddresses.formUnion(pod.hostIPs) }
            case .networkPolicy(let policy): policies.append(policy)
            case .tierPolicy(let policy): tierPolicies.append(policy)
            case .authorizationPolicy(let policy): authorizationPolicies.append(policy)
            case .namespace(let namespace): namespaces[namespace.metadata.name] = namespace
            case .node(let node):
                nodes.append(node)
                if node.metadata.name == nodeName { toldAddresses.formUnion(node.addresses) }
            }
        }

        self.nodeName = nodeName
        self.settings = settings
        self.policies = policies
        self.tierPolicies = tierPolicies
        self.authorizationPolicies = authorizationPolicies
        self.nodes = nodes
        self.namespaces = namespaces
        self.toldAddresses = toldAddresses
        let owners = Self.owners(of: pods)
        self.owners = owners
        // A prefix with a pod inside is not the node's: the pod is nearer.
        localRoutes =
            Self.loopback
            + settings.localAddresses.filter { prefix in
                prefix.isHost || !owners.keys.contains { prefix.contains($0) }
            }
    }

    private static let loopback = [
        CIDR(IPAddress(v4: 0x7f00_0000), prefixLength: 8), CIDR(host: IPAddress(v6High: 0, low: 1)),
    ]

    /// Whether this node takes in packets to the address itself.
    func isOwnNode(_ address: IPAddress) -> Bool {
        toldAddresses.contains(address) || localRoutes.contains { $0.contains(address) }
    }

    /// Host network pods have their node's addresses, finished pods have none. Of two pods that claim one address,
    /// the younger owns it; equally old: the greater namespace, then name.
    private static func owners(of pods: [Pod]) -> [IPAddress: Pod] {
        var owners: [IPAddress: Pod] = [:]
        for pod in pods where !pod.hostNetwork && pod.phase != .succeeded && pod.phase != .failed {
            for address in pod.podIPs {
                if let rival = owners[address], age(of: rival) > age(of: pod) { continue }
                owners[address] = pod
            }
        }
        return owners
    }

    private static func age(of pod: Pod) -> (Int64, String, String) {
        (pod.metadata.createdAt, pod.metadata.namespace, pod.metadata.name)
    }

    /// May `flow.source` reach `flow.destination` with this protocol and port, as far as this node decides it?
    ///
    /// - Parameters:
    ///   - throughService: it was sent to a Service, which chose this destination.
    ///   - request: what it carries. Nil: a flow that depends on it has no other answer.
    public func verdict(
        _ flow: Flow, throughService: Bool = false, request: OracleRequest? = nil
    ) -> OracleVerdict {
        let source = owners[flow.source].map(name(of:))
        let isHairpin = source != nil && source == owners[flow.destination].map(name(of:))
        return answer(source: flow.source, destination: flow.destination, throughService: throughService) {
            answer($0, $1, flow, isHairpin: isHairpin, request: request)
        }
    }

    /// Whether a packet may be delivered to this pod, as far as its node decides it, if its destination is a group or
    /// another address that is not the pod's. Nil: the address belongs to no pod of this node.
    public func ingress(_ flow: Flow, deliveredTo address: IPAddress) -> OracleAnswer? {
        guard let pod = owners[address], pod.nodeName == nodeName else { return nil }
        let isHairpin = owners[flow.source].map(name(of:)) == name(of: pod)
        return answer(pod, .ingress, flow, isHairpin: isHairpin)
    }

    private func answer(
        _ pod: Pod, _ direction: PolicyType, _ flow: Flow, isHairpin: Bool, request: OracleRequest? = nil
    ) -> OracleAnswer {
        func decide(_ request: OracleRequest?, withAudit: Bool) -> OracleAnswer {
            guard direction == .ingress else {
                return tiers(pod, direction, flow, isHairpin: isHairpin, withAudit: withAudit)
            }
            return authorized(pod, flow, request, isHairpin: isHairpin, withAudit: withAudit)
        }
        // Audits report packets, whatever they carry.
        let enforced = decide(nil, withAudit: false)
        let audited = decide(nil, withAudit: true)
        let answer = request.map { decide($0, withAudit: false) } ?? enforced
        return OracleAnswer(
            cause: answer.cause, passed: answer.passed,
            wouldDeny: enforced.cause.allows && audited.cause.denies ? audited.cause : nil)
    }

    /// The tiers and authorization must both allow.
    private func authorized(
        _ pod: Pod, _ flow: Flow, _ request: OracleRequest?, isHairpin: Bool, withAudit: Bool
    ) -> OracleAnswer {
        let answer = tiers(pod, .ingress, flow, isHairpin: isHairpin, withAudit: withAudit)
        guard !authorizationPolicies.isEmpty, answer.cause.allows, !isOwnNode(flow.source) else { return answer }
        let own = owners.filter { name(of: $0.value) == name(of: pod) }.keys.sorted()
        let destination =
            own.contains(flow.destination)
            ? flow.destination : own.first { $0.family == flow.destination.family } ?? own.first ?? flow.destination
        let question = AuthorizationQuestion(pod: pod, flow: flow, destination: destination, request: request)
        guard let verdict = authorization(question, withAudit: withAudit) else { return answer }
        // Nor does authorization keep a pod from itself.
        if isHairpin, !verdict.allows { return OracleAnswer(cause: .itself, passed: answer.passed) }
        let isDecisive = !verdict.allows || answer.cause == .noPolicy
        return OracleAnswer(cause: isDecisive ? .authorization(verdict) : answer.cause, passed: answer.passed)
    }

    /// The answer for a packet without a readable transport header: denied if any policy applies, because none can
    /// decide. An audit does not report such packets.
    public func verdictWithoutTransport(source: IPAddress, destination: IPAddress) -> OracleVerdict {
        answer(source: source, destination: destination) { pod, direction in
            let hasPolicies = !selecting(pod, direction, withAudit: false).isEmpty
            let other = direction == .egress ? destination : source
            if isOwnNode(other) {
                let isJudged = hasTierRules(pod, direction) || hasPolicies && settings.enforcesNetworkPolicyOnOwnNode
                return OracleAnswer(cause: direction == .egress && isJudged ? .noTransportHeader : .ownNode)
            }
            let isAuthorized = direction == .ingress && hasAuthorization(pod)
            return OracleAnswer(
                cause: hasPolicies || isAuthorized || hasTierRules(pod, direction) ? .noTransportHeader : .noPolicy)
        }
    }

    private func answer(
        source: IPAddress, destination: IPAddress, throughService: Bool = false,
        decide: (Pod, PolicyType) -> OracleAnswer
    ) -> OracleVerdict {
        var result = OracleVerdict()
        let sourcePod = owners[source]
        let destinationPod = owners[destination]
        let isSamePod = sourcePod.map { name(of: $0) == destinationPod.map(name(of:)) } ?? false
        let isSelf = isSamePod && !throughService
        if let sourcePod, sourcePod.nodeName == nodeName {
            result.egressAnswer = isSelf ? OracleAnswer(cause: .itself) : decide(sourcePod, .egress)
        }
        if let destinationPod, destinationPod.nodeName == nodeName {
            result.ingressAnswer = isSelf ? OracleAnswer(cause: .itself) : decide(destinationPod, .ingress)
        }
        return result
    }

    private func name(of pod: Pod) -> ObjectKey { KubernetesObject.pod(pod).key }

    /// One pod, one direction: the first tier that decides, else allow.
    private func tiers(
        _ pod: Pod, _ direction: PolicyType, _ flow: Flow, isHairpin: Bool, withAudit: Bool
    ) -> OracleAnswer {
        // From the own node: whatever the policies. To the own node: a matter of each tier.
        if direction == .ingress, isOwnNode(flow.source) { return OracleAnswer(cause: .ownNode) }
        if direction == .egress, isFailsafe(flow) { return OracleAnswer(cause: .failsafe) }

        var passed: [TierPolicy.Tier] = []
        switch tier(.admin, pod, direction, flow, withAudit: withAudit) {
        case .decided(let cause): return OracleAnswer(cause: cause)
        case .passed: passed.append(.admin)
        case .silent: break
        }

        let isToOwnNode = direction == .egress && isOwnNode(flow.destination)
        if !isToOwnNode || settings.enforcesNetworkPolicyOnOwnNode {
            if let cause = networkPolicyTier(pod, direction, flow, withAudit: withAudit) {
                // NetworkPolicy keeps no pod from itself.
                return OracleAnswer(cause: isHairpin && !cause.allows ? .itself : cause, passed: passed)
            }
        }

        switch tier(.baseline, pod, direction, flow, withAudit: withAudit) {
        case .decided(let cause): return OracleAnswer(cause: cause, passed: passed)
        case .passed: passed.append(.baseline)
        case .silent: break
        }
        return OracleAnswer(cause: isToOwnNode ? .ownNode : .noPolicy, passed: passed)
    }

    /// What no policy may stop on a pod's way to its own node: DHCP, and the node's name server.
    private func isFailsafe(_ flow: Flow) -> Bool {
        if flow.ipProtocol == .udp, flow.destinationPort == 67 || flow.destinationPort == 547 {
            return isOwnNode(flow.destination)
        }
        guard flow.ipProtocol == .udp || flow.ipProtocol == .tcp, flow.destinationPort == 53 else { return false }
        return settings.nodeDNS.contains(flow.destination)
    }
}
