// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle

extension WorldGenerator {
    /// A policy of the Admin or Baseline tier, of any of the three kinds.
    mutating func tierPolicy() -> TierPolicy {
        let (kind, tier) = kindAndTier()
        let isSingleton = kind == .baselineAdminNetworkPolicy
        let directions = random.weighted([30, 30, 40])
        return TierPolicy(
            kind: kind,
            metadata: ObjectMeta(name: isSingleton ? "default" : random.pick(["a", "b", "tier"]) + "-\(nextSerial())"),
            tier: tier, priority: isSingleton ? 0 : random.pick(WorldPlan.priorities), subject: podSelection(),
            ingress: directions == 1 ? [] : tierRules(kind, .ingress),
            egress: directions == 0 ? [] : tierRules(kind, .egress),
            enforcement: enforcement(auditPercent: 22))
    }

    /// There is at most one BaselineAdminNetworkPolicy in a cluster.
    private mutating func kindAndTier() -> (TierPolicy.Kind, TierPolicy.Tier) {
        switch random.weighted([40, 25, 22, 13]) {
        case 0: return (.clusterNetworkPolicy, .admin)
        case 2: return (.adminNetworkPolicy, .admin)
        case 3 where !world.tierPolicies.contains { $0.kind == .baselineAdminNetworkPolicy }:
            return (.baselineAdminNetworkPolicy, .baseline)
        default: return (.clusterNetworkPolicy, .baseline)
        }
    }

    mutating func enforcement(auditPercent: Int) -> Enforcement {
        isTiered && random.chance(percent: auditPercent) ? .audit : .enforce
    }

    private mutating func podSelection() -> PodSelection {
        switch random.weighted([25, 35, 40]) {
        case 0: PodSelection()
        case 1: PodSelection(namespaces: namespaceSelector())
        default:
            PodSelection(
                namespaces: random.chance(percent: 50) ? LabelSelector() : namespaceSelector(), pods: podSelector())
        }
    }

    private mutating func tierRules(_ kind: TierPolicy.Kind, _ direction: PolicyType) -> [TierRule] {
        (0..<random.weighted([5, 35, 30, 20, 10])).map { _ in tierRule(kind, direction) }
    }

    private mutating func tierRule(_ kind: TierPolicy.Kind, _ direction: PolicyType) -> TierRule {
        // The last tier of v1alpha1 has none to pass to.
        let passes = kind == .baselineAdminNetworkPolicy ? 0 : 30
        var rule = TierRule(
            action: [.accept, .deny, .pass][random.weighted([35, 35, passes])],
            peers: (0..<random.weighted([0, 65, 25, 10])).map { _ in tierPeer(direction) })
        if random.chance(percent: 50) { rule.name = "rule-\(nextSerial())" }
        if random.chance(percent: 60) {
            // The API refuses a named port beside peers that have no pods.
            let hasPods = rule.peers.allSatisfy { if case .pods = $0 { true } else { false } }
            rule.ports = (0..<random.weighted([0, 60, 30, 10])).map { _ in tierPort(mayBeNamed: hasPods) }
        }
        if random.chance(percent: 3) { addUnknownPart(to: &rule) }
        return rule
    }

    /// As if from a newer API server with unknown parts; there may be no known part.
    private mutating func addUnknownPart(to rule: inout TierRule) {
        rule.unknown = ["a field that nobody knows"]
        switch random.weighted([40, 30, 30]) {
        case 0: break
        case 1: rule.peers = []
        default: rule.ports = []
        }
    }

    private mutating func tierPeer(_ direction: PolicyType) -> TierPeer {
        switch direction == .ingress ? 0 : random.weighted([45, 20, 35]) {
        case 0: return .pods(podSelection())
        case 1:
            return .nodes(random.chance(percent: 35) ? LabelSelector() : selector(WorldPlan.nodeLabels, names: []))
        default:
            var networks: [CIDR] = []
            for _ in 0...random.weighted([50, 30, 20]) {
                let network = block(around: random.pick(interestingAddresses))
                if !networks.contains(network) { networks.append(network) }
            }
            return .networks(networks)
        }
    }

    private mutating func tierPort(mayBeNamed: Bool) -> TierPort {
        if mayBeNamed, random.chance(percent: 40) { return .named(random.pick(WorldPlan.portNames)) }
        let first = random.pick(WorldPlan.portNumbers)
        if first == .max || random.chance(percent: 60) { return .range(anyProtocol(), PortRange(first)) }
        let last = min(Int(first) + random.pick([1, 10, 1000, 65535]), 65535)
        return .range(anyProtocol(), PortRange(first, UInt16(last)))
    }

    /// The same policy with one part changed; most often what a person changes on a running cluster.
    mutating func changed(_ policy: TierPolicy) -> TierPolicy {
        var policy = policy
        switch random.weighted([30, 20, 12, 19, 19]) {
        case 0: if policy.kind != .baselineAdminNetworkPolicy { policy.priority = random.pick(WorldPlan.priorities) }
        case 1: policy.enforcement = policy.enforcement == .audit ? .enforce : .audit
        case 2: policy.subject = podSelection()
        case 3: policy.ingress = tierRules(policy.kind, .ingress)
        default: policy.egress = tierRules(policy.kind, .egress)
        }
        return policy
    }

    /// What the node knows beside the cluster's objects: the gateway's address, now and then a local route to a whole
    /// prefix (perhaps with pods inside), and where the node's name server is.
    mutating func settings() -> OracleSettings {
        let gateways = families.map(WorldPlan.gateway)
        let servers = WorldPlan.nodeDNS.filter { families.contains($0.family) }
        // Now and then the name server is elsewhere, and stays reachable all the same.
        let hosts = gateways + (random.chance(percent: 70) ? servers : [])
        var settings = OracleSettings(localAddresses: hosts.map(CIDR.init(host:)))
        if random.chance(percent: 30) {
            settings.localAddresses.append(random.pick(families.flatMap(WorldPlan.localPrefixes)))
        }
        settings.enforcesNetworkPolicyOnOwnNode = random.chance(percent: 30)
        if random.chance(percent: 60) { settings.nodeDNS = servers }
        return settings
    }
}

extension TierPolicy {
    /// What a manifest can express of it: without the unknown parts of rules, and without rules that have nothing else.
    var writable: TierPolicy {
        func known(_ rules: [TierRule]) -> [TierRule] {
            rules.filter { !$0.peers.isEmpty && $0.ports != [] }.map { rule in
                var rule = rule
                rule.unknown = []
                return rule
            }
        }
        var copy = self
        copy.ingress = known(ingress)
        copy.egress = known(egress)
        return copy
    }
}
