// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

extension WorldGenerator {
    /// Changes the world as a cluster changes, one to three events at a time, and tells what happened.
    public mutating func change() -> [ObjectEvent] {
        var events: [ObjectEvent] = []
        for _ in 0..<[1, 2, 3][random.weighted([70, 20, 10])] {
            guard let event = event() else { continue }
            world.apply(event)
            events.append(event)
        }
        return events
    }

    /// Changes which addresses the node takes in by its local routes, and returns them.
    public mutating func changeLocalAddresses() -> [CIDR] {
        world.settings.localAddresses = settings().localAddresses
        return world.settings.localAddresses
    }

    /// Changes a node: it comes, goes, or has other labels or addresses, sometimes one of a pod. Returns what happened.
    public mutating func changeNode() -> [ObjectEvent] {
        var node = node(random.below(nodeCount + 2))
        if random.chance(percent: 20) { node.addresses += podIPs(node: random.below(nodeCount)).prefix(1) }
        let event = random.chance(percent: 25) ? removal(of: .node(node)) : .set(.node(node))
        world.apply(event)
        return [event]
    }

    /// Nil where the thing to be changed does not exist.
    private mutating func event() -> ObjectEvent? {
        if isAuthorized, random.chance(percent: 40) { return authorizationEvent() }
        if isTiered, random.chance(percent: 35) { return tierEvent() }
        switch random.weighted([15, 8, 30, 12, 5, 12, 6, 12, 6]) {
        case 0: return .set(.pod(pod()))
        case 1: return world.pods.isEmpty ? nil : removal(of: .pod(random.pick(world.pods)))
        case 2: return world.pods.isEmpty ? nil : .set(.pod(changed(random.pick(world.pods))))
        case 3: return .set(.namespace(namespace(random.pick(WorldPlan.namespaceNames))))
        case 4: return world.namespaces.isEmpty ? nil : removal(of: .namespace(random.pick(world.namespaces)))
        case 5: return .set(.networkPolicy(policy()))
        case 6: return world.policies.isEmpty ? nil : removal(of: .networkPolicy(random.pick(world.policies)))
        case 7: return world.policies.isEmpty ? nil : .set(.networkPolicy(changed(random.pick(world.policies))))
        default: return nodeEvent()
        }
    }

    private mutating func tierEvent() -> ObjectEvent? {
        switch random.weighted([25, 17, 45, 13]) {
        case 0: return .set(.tierPolicy(tierPolicy()))
        case 1: return world.tierPolicies.isEmpty ? nil : removal(of: .tierPolicy(random.pick(world.tierPolicies)))
        case 2:
            return world.tierPolicies.isEmpty ? nil : .set(.tierPolicy(changed(random.pick(world.tierPolicies))))
        default: return .set(.node(node(random.below(nodeCount))))
        }
    }

    private func removal(of object: KubernetesObject) -> ObjectEvent { .removed(object.key) }

    private mutating func nodeEvent() -> ObjectEvent {
        var node = node(random.below(nodeCount))
        switch random.weighted([45, 30, 25]) {
        case 0: return .set(.node(node))
        case 1: return .removed(KubernetesObject.node(node).key)
        default:
            if !node.addresses.isEmpty { node.addresses.remove(at: random.below(node.addresses.count)) }
            return .set(.node(node))
        }
    }

    private mutating func changed(_ pod: Pod) -> Pod {
        var pod = pod
        let node = random.below(nodeCount)
        switch random.weighted([30, 20, 20, 15, 5, 5, 5]) {
        case 0: pod.metadata.labels = labels(WorldPlan.podLabels, percent: 65)
        case 1: pod.phase = random.pick([.running, .running, .pending, .succeeded, .failed, .unknown])
        case 2: pod.namedPorts = namedPorts()
        case 3: if !pod.hostNetwork { pod.podIPs = podIPs(node: node) }
        case 4: pod.metadata.createdAt += Int64(random.between(-2, 2)) * 500
        case 5:
            // The same name again on another node, as a StatefulSet makes it.
            pod.metadata.uid = "uid-\(pod.metadata.name)-\(nextSerial())"
            pod.nodeName = "node-\(node)"
            pod.hostIPs = families.map { WorldPlan.nodeAddress($0, node: node) }
            pod.podIPs = pod.hostNetwork ? pod.hostIPs : podIPs(node: node)
        default: if !pod.podIPs.isEmpty, !pod.hostNetwork { pod.podIPs.removeLast() }
        }
        return pod
    }

    private mutating func changed(_ policy: NetworkPolicy) -> NetworkPolicy {
        var other = self.policy()
        other.metadata = policy.metadata
        // Sometimes another policy under the same name, more often the same with one part changed.
        if random.chance(percent: 25) { return other }
        var changed = policy
        if isTiered, random.chance(percent: 25) {
            changed.enforcement = policy.enforcement == .audit ? .enforce : .audit
            return changed
        }
        switch random.weighted([20, 20, 30, 30]) {
        case 0: changed.podSelector = other.podSelector
        case 1: changed.policyTypes = other.policyTypes
        case 2: changed.ingress = other.ingress
        default: changed.egress = other.egress
        }
        return changed
    }
}
