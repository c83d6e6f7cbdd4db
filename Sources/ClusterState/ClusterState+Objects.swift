// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

/// Objects made again from what is kept of them: as policy sees them, and no more.
extension ClusterState {
    /// A pod, without the name of its node, which is not kept. Nil: no such pod.
    public func object(ofPod name: EndpointName) -> Pod? {
        guard let number = number(ofPod: name) else { return nil }
        let record = pods[Int(number)]
        var pod = Pod(
            metadata: ObjectMeta(name: record.name, namespace: name.namespace, createdAt: record.createdAt),
            hostNetwork: record.isOutsidePolicy && !record.isFinished,
            phase: record.isFinished ? .succeeded : .running, podIPs: record.addresses)
        guard record.hasGroup else { return pod }
        pod.metadata.labels = texts(of: labels(ofGroup: record.group))
        pod.namedPorts = ports(ofGroup: record.group).map { port in
            NamedPort(name: strings[port.name.name], ipProtocol: port.name.ipProtocol, number: port.number)
        }
        return pod
    }

    /// A namespace, with the label that it has without an object, too. Nil: nothing names it.
    public func object(ofNamespace name: String) -> Namespace? {
        guard let number = namespaceNumbers[name] else { return nil }
        return Namespace(metadata: ObjectMeta(name: name, labels: texts(of: labels(ofNamespace: number))))
    }

    /// All nodes, in order.
    public var nodeObjects: [Node] {
        nodes.sorted { $0.key < $1.key }.map { name, record in
            Node(
                metadata: ObjectMeta(name: name, labels: texts(of: labelSets[record.labels])),
                addresses: record.addresses)
        }
    }

    private func texts(of labels: [LabelPair]) -> [String: String] {
        var texts: [String: String] = [:]
        for label in labels where label != .unknown { texts[strings[label.key]] = strings[label.value] }
        return texts
    }

    /// Pods that one that is not there was probably meant to be, the likeliest first: of its namespace, with a name
    /// that is spelt nearly so or goes on after it; elsewhere, with the very name.
    public func pods(like name: EndpointName) -> [EndpointName] {
        var found: [(distance: Int, name: EndpointName)] = []
        for key in podNumbers.keys.prefix(Self.candidateLimit) {
            let namespace = namespaces[Int(key.namespace)].name
            let candidate = EndpointName(namespace: namespace, name: key.name)
            if namespace == name.namespace {
                guard let distance = NearestName.distance(name.name, to: key.name) else { continue }
                found.append((distance, candidate))
            } else if key.name == name.name {
                found.append((1, candidate))
            }
        }
        return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
    }

    /// A wrong question must not hold up the daemon of a cluster with 150,000 pods.
    private static var candidateLimit: Int { 20_000 }
}
