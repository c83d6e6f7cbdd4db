// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver

/// What differs between the verdicts of two states of a cluster about pods of one node, by samples: one address for each
/// address class, one port for each port class, and a stand-in pod for each pod selector of a NetworkPolicy that
/// changed, because the pods that it is meant for may be on other nodes. A pod with other labels than before is
/// compared as an end of its own, with each pod of the node.
public struct VerdictSamples {
    let pods: [EndpointName]
    let before: CompiledPolicy
    let after: CompiledPolicy
    private let standIns: [IPAddress: String]
    /// Pods with other labels than before, in order, here or elsewhere.
    let relabeled: [Pod]

    /// Limits of what is compared: the work must end soon.
    private static let peerLimit = 24
    private static let portLimit = 12
    private static let standInLimit = 8
    /// Pods that are compared.
    public static let podLimit = 8

    /// - Parameters:
    ///   - pods: pods of this node; the first ``podLimit`` of them are compared.
    ///   - changed: the objects that changed, in both versions.
    public init(
        node: String, pods: [EndpointName], before: [KubernetesObject], after: [KubernetesObject],
        changed: [KubernetesObject], settings: PolicySettings
    ) {
        relabeled = Self.relabeled(changed)
        let here = relabeled.filter { $0.nodeName == node }.map(\.endpointName)
        self.pods = Array((here + pods.filter { !here.contains($0) }).prefix(Self.podLimit))
        // Policies of other namespaces decide nothing about the pods that are compared.
        var namespaces = Set(self.pods.map(\.namespace))
        if !relabeled.isEmpty { namespaces.formUnion((before + after).compactMap { $0.namespace(ofPodOn: node) }) }
        let extra = Self.standIns(changed, namespaces: (after + before).compactMap(\.namespaceObject))
        standIns = Dictionary(
            extra.flatMap { pod, text in pod.podIPs.map { ($0, text) } }, uniquingKeysWith: { first, _ in first })
        func compiled(_ objects: [KubernetesObject]) -> CompiledPolicy {
            var pipeline = PolicyPipeline(nodeName: node, settings: settings)
            let kept = objects.filter { object in
                guard case .networkPolicy(let policy) = object else { return true }
                return namespaces.contains(policy.metadata.namespace)
            }
            _ = pipeline.apply((kept + extra.map { .pod($0.0) }).map { .set($0) })
            return pipeline.compiled
        }
        self.before = compiled(before)
        self.after = compiled(after)
    }

    /// `shop/redis: now denies from shop/web 6379/TCP`, in order.
    public func sentences() -> [String] {
        let peers = self.peers()
        let ports = self.ports()
        var result: [String] = []
        for pod in pods {
            for direction in [Direction.ingress, .egress] {
                guard let own = addresses(of: pod), isJudged(pod, direction) else { continue }
                for (peer, name) in peers where !own.contains(peer) {
                    guard let address = own.first(where: { $0.family == peer.family }) else { continue }
                    result += ports.compactMap { sentence(pod, address, direction, peer, name, $0) }
                }
            }
        }
        for sentence in relabeledSentences(ports) where !result.contains(sentence) { result.append(sentence) }
        return result
    }

    func sentence(
        _ pod: EndpointName, _ own: IPAddress, _ direction: Direction, _ peer: IPAddress, _ name: String,
        _ ports: ProtocolPorts
    ) -> String? {
        let isIngress = direction == .ingress
        let flow = Flow(
            source: isIngress ? peer : own, destination: isIngress ? own : peer, ipProtocol: ports.ipProtocol,
            destinationPort: max(1, ports.range.first))
        guard let old = verdict(before, flow, direction), let new = verdict(after, flow, direction), old != new else {
            return nil
        }
        let verb = new == .allow ? "allows" : new == .deny ? "denies" : "asks about requests"
        return "\(pod): now \(verb) \(isIngress ? "from" : "to") \(name) on \(ports)"
    }

    private func verdict(_ policy: CompiledPolicy, _ flow: Flow, _ direction: Direction) -> Verdict? {
        let decision = policy.evaluate(flow)
        return (direction == .ingress ? decision.ingress : decision.egress)?.verdict
    }

    func addresses(of pod: EndpointName) -> [IPAddress]? {
        after.endpoints.values.first { $0.name == pod }?.addresses
    }

    /// Whether a program decides before or after.
    func isJudged(_ pod: EndpointName, _ direction: Direction) -> Bool {
        [before, after].contains { policy in
            policy.endpoints.values.contains { endpoint in
                endpoint.name == pod && (direction == .ingress ? endpoint.ingress : endpoint.egress) != .none
            }
        }
    }

    /// One address of each class that the tables tell apart, and one of all others for each family.
    private func peers() -> [(IPAddress, String)] {
        var result: [(IPAddress, String)] = []
        var seen: Set<AddressClassID> = []
        let names = Dictionary(
            after.endpoints.values.flatMap { endpoint in endpoint.addresses.map { ($0, "\(endpoint.name)") } },
            uniquingKeysWith: { first, _ in first })
        for (address, entry) in after.addresses.hosts.sorted(by: { $0.key < $1.key }) {
            guard seen.insert(entry.addressClass).inserted || standIns[address] != nil else { continue }
            result.append((address, standIns[address] ?? names[address] ?? "\(address)"))
        }
        for (prefix, entry) in after.addresses.prefixes.sorted(by: { "\($0.key)" < "\($1.key)" })
        where after.addresses.entry(of: prefix.network) == entry && seen.insert(entry.addressClass).inserted {
            result.append((prefix.network, "\(prefix)"))
        }
        return Self.another + result.prefix(Self.peerLimit)
    }

    /// Of the networks for documentation (RFC 5737, RFC 3849): nothing real has them.
    private static let another: [(IPAddress, String)] = ["198.51.100.1", "2001:db8:ffff::1"].compactMap { text in
        (try? IPAddress(text)).map { ($0, "any other address") }
    }

    /// Ranges of ports that the tables tell apart, before or after.
    private func ports() -> [ProtocolPorts] {
        var result: [ProtocolPorts] = []
        for policy in [after, before] {
            var seen: Set<PortClassID> = []
            for segment in policy.portSegments where seen.insert(segment.portClass).inserted {
                if result.count < Self.portLimit, !result.contains(segment.ports) { result.append(segment.ports) }
            }
        }
        return result
    }
}

extension VerdictSamples {
    /// A pod for each selector of the changed NetworkPolicies that a pod can meet, with what it stands for.
    private static func standIns(
        _ changed: [KubernetesObject], namespaces: [Namespace]
    ) -> [(Pod, String)] {
        var found: [(Pod, String)] = []
        for case .networkPolicy(let policy) in changed {
            for case .pods(let namespace, let selector) in (policy.ingress + policy.egress).flatMap(\.peers) {
                let names = namespaces.filter { namespace?.selects($0.metadata.labels) ?? false }
                let home = namespace == nil ? policy.metadata.namespace : names.map(\.metadata.name).min()
                guard let home, found.count < standInLimit, let labels = (selector ?? LabelSelector()).example else {
                    continue
                }
                let text = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
                let number = found.count + 1
                let pod = Pod(
                    metadata: ObjectMeta(name: "(stand-in \(number))", namespace: home, labels: labels),
                    nodeName: "(elsewhere)",
                    podIPs: ["198.18.255.\(number)", "2001:db8:fffe::\(number)"].compactMap { try? IPAddress($0) })
                let name = "pods \(text.isEmpty ? "" : "\(text) ")in \(home)"
                if !found.contains(where: { $0.1 == name }) { found.append((pod, name)) }
            }
        }
        return found
    }
}

extension KubernetesObject {
    fileprivate func namespace(ofPodOn node: String) -> String? {
        if case .pod(let pod) = self, pod.nodeName == node { pod.metadata.namespace } else { nil }
    }

    fileprivate var namespaceObject: Namespace? {
        if case .namespace(let namespace) = self { namespace } else { nil }
    }
}

extension LabelSelector {
    /// Labels that it selects; nil if the sketch does not meet it.
    fileprivate var example: [String: String]? {
        var labels = matchLabels
        for requirement in matchExpressions where labels[requirement.key] == nil {
            switch requirement.operator {
            case .in: labels[requirement.key] = requirement.values.min()
            case .exists: labels[requirement.key] = "x"
            case .notIn, .doesNotExist: break
            }
        }
        return selects(labels) ? labels : nil
    }
}
