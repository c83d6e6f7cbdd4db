// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import NodeNetwork
import PolicyPipeline

/// Pods that the node's network shows and no object tells of (yet): before the API server was ever reached, say.
struct UnknownPods {
    /// By interface name: where pods are, known or not, as the network tells it.
    var candidates: [String: Set<IPAddress>] = [:]
    /// Those that stand in the pipeline now, by interface name.
    var inForce: [String: Set<IPAddress>] = [:]

    static func key(_ interface: String) -> ObjectKey {
        ObjectKey(kind: .pod, namespace: PolicyPipeline.unknownNamespace, name: interface)
    }

    /// A pod of which nothing is known but where it is. Older than every object, so that any that claims one of the
    /// addresses takes it over in the same step.
    static func pod(_ interface: String, _ addresses: Set<IPAddress>, on node: String) -> KubernetesObject {
        .pod(
            Pod(
                metadata: ObjectMeta(
                    name: interface, namespace: PolicyPipeline.unknownNamespace, createdAt: .min),
                nodeName: node, podIPs: addresses.sorted()))
    }
}

extension Agent where Plane: ~Copyable {
    /// Makes endpoints of the pods that no object tells of, and takes them back where one does now, as long as there
    /// are policies that hold for every pod whatever its labels. Their sources are not checked: what else lies behind
    /// such an interface is not known either.
    func updateUnknown() {
        let events = takeUnknown()
        guard !events.isEmpty else { return }
        // A failure is noted and retried.
        try? advance { $0.apply(events) }
    }

    /// What is to change of these endpoints; taken as done.
    func takeUnknown() -> [ObjectEvent] {
        let wanted = wantedUnknown()
        guard wanted != unknown.inForce else { return [] }
        var events: [ObjectEvent] = []
        for interface in unknown.inForce.keys.sorted() where wanted[interface] == nil {
            events.append(.removed(UnknownPods.key(interface)))
        }
        for (interface, addresses) in wanted.sorted(by: { $0.key < $1.key })
        where unknown.inForce[interface] != addresses {
            events.append(.set(UnknownPods.pod(interface, addresses, on: settings.nodeName)))
        }
        unknown.inForce = wanted
        return events
    }

    private func wantedUnknown() -> [String: Set<IPAddress>] {
        guard !unknown.candidates.isEmpty, store.hasPolicyForAll else { return [:] }
        let held = attached.heldAddresses
        let pushed = Set(resolvedBody.endpoints.flatMap(\.addresses).compactMap { try? IPAddress($0) })
        return unknown.candidates.filter { _, addresses in
            !addresses.contains { address in
                pushed.contains(address) || held.contains(address)
                    || pipeline.pod(owning: address).map { $0.namespace != PolicyPipeline.unknownNamespace } ?? false
            }
        }
    }

    /// Takes back stand-ins for whose addresses resolved policy is about to come, which no pod may have.
    func yieldUnknown(to body: ResolvedBody) {
        let coming = Set(body.endpoints.flatMap(\.addresses).compactMap { try? IPAddress($0) })
        let yielding = unknown.inForce.filter { !$0.value.isDisjoint(with: coming) }.keys.sorted()
        guard !yielding.isEmpty else { return }
        unknown.candidates = unknown.candidates.filter { !yielding.contains($0.key) }
        updateUnknown()
    }

    /// The network, or who is known, has changed.
    func noteCandidates() {
        guard let network else { return }
        unknown.candidates = Dictionary(
            network.podAddresses.map { ($0.key.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}
