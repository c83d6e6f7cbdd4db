// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyOracle

/// A random cluster: objects, and the node that decides.
public struct World: Sendable, Hashable {
    /// What it was made from; printed with every failure.
    public var seed: UInt64
    public var nodeName: String
    public var nodes: [Node]
    public var namespaces: [Namespace]
    public var pods: [Pod]
    public var policies: [NetworkPolicy]
    public var tierPolicies: [TierPolicy]
    public var authorizationPolicies: [AuthorizationPolicy]
    /// What the node knows beside the objects.
    public var settings: OracleSettings

    public init(
        seed: UInt64, nodeName: String, nodes: [Node] = [], namespaces: [Namespace] = [], pods: [Pod] = [],
        policies: [NetworkPolicy] = [], tierPolicies: [TierPolicy] = [],
        authorizationPolicies: [AuthorizationPolicy] = [],
        settings: OracleSettings = OracleSettings()
    ) {
        self.seed = seed
        self.nodeName = nodeName
        self.nodes = nodes
        self.namespaces = namespaces
        self.pods = pods
        self.policies = policies
        self.tierPolicies = tierPolicies
        self.authorizationPolicies = authorizationPolicies
        self.settings = settings
    }

    public var objects: [KubernetesObject] {
        nodes.map(KubernetesObject.node) + namespaces.map(KubernetesObject.namespace)
            + pods.map(KubernetesObject.pod) + policies.map(KubernetesObject.networkPolicy)
            + tierPolicies.map(KubernetesObject.tierPolicy)
            + authorizationPolicies.map(KubernetesObject.authorizationPolicy)
    }

    public var oracle: Oracle { Oracle(objects: objects, nodeName: nodeName, settings: settings) }

    /// The world without the parts of rules that no manifest can say.
    public var writable: World {
        var copy = self
        copy.tierPolicies = tierPolicies.map(\.writable)
        copy.authorizationPolicies = authorizationPolicies.map(\.writable)
        return copy
    }

    /// The events that tell an empty cluster of this one.
    public var events: [ObjectEvent] { objects.map(ObjectEvent.set) }

    public var localPods: [Pod] { pods.filter { $0.nodeName == nodeName && !$0.hostNetwork } }

    /// Carries out an event, as a watching client would.
    public mutating func apply(_ event: ObjectEvent) {
        switch event {
        case .removed(let key): remove(key)
        case .set(let object):
            remove(object.key)
            switch object {
            case .pod(let pod): pods.append(pod)
            case .namespace(let namespace): namespaces.append(namespace)
            case .node(let node): nodes.append(node)
            case .networkPolicy(let policy): policies.append(policy)
            case .tierPolicy(let policy): tierPolicies.append(policy)
            case .authorizationPolicy(let policy): authorizationPolicies.append(policy)
            }
        }
    }

    private mutating func remove(_ key: ObjectKey) {
        switch key.kind {
        case .pod: pods.removeAll { KubernetesObject.pod($0).key == key }
        case .namespace: namespaces.removeAll { KubernetesObject.namespace($0).key == key }
        case .node: nodes.removeAll { KubernetesObject.node($0).key == key }
        case .networkPolicy: policies.removeAll { KubernetesObject.networkPolicy($0).key == key }
        case .clusterNetworkPolicy, .adminNetworkPolicy, .baselineAdminNetworkPolicy:
            tierPolicies.removeAll { KubernetesObject.tierPolicy($0).key == key }
        case .authorizationPolicy:
            authorizationPolicies.removeAll { KubernetesObject.authorizationPolicy($0).key == key }
        }
    }
}

/// How many worlds and flows the property tests try, from the environment: `BULKHEAD_WORLDS`, `BULKHEAD_FLOWS`, and
/// `BULKHEAD_SEED` (the seed of the first world; the others follow it).
public struct WorldSettings: Sendable, Hashable {
    public var worlds: Int
    public var flows: Int
    public var seed: UInt64
    /// Whether there are as many worlds as a test run must do: with fewer, some of what worlds may have is in none.
    public let coversAll: Bool

    /// The defaults are the least that a test run must do; the environment sets others.
    public init(worlds: Int = 200, flows: Int = 500, seed: UInt64 = 1, environment: [String: String]) {
        func value<T: FixedWidthInteger>(_ name: String, _ otherwise: T) -> T {
            guard let text = environment[name] else { return otherwise }
            guard let number = T(text), number > 0 else {
                preconditionFailure("\(name) must be a positive number, is '\(text)'")
            }
            return number
        }
        self.worlds = value("BULKHEAD_WORLDS", worlds)
        coversAll = self.worlds >= worlds
        self.flows = value("BULKHEAD_FLOWS", flows)
        self.seed = value("BULKHEAD_SEED", seed)
    }

    public var seeds: [UInt64] { (0..<UInt64(worlds)).map { seed &+ $0 } }
}
