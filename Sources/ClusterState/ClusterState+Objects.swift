// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

/// Objects rebuilt from what is kept of them: only the parts that policy needs.
extension ClusterState {
    /// A pod, without the name of its node, which is not kept. Nil if there is no such pod.
    public func object(ofPod name: EndpointName) -> Pod? {
        guard let number = number(ofPod: name) else { return nil }
        let record = pods[Int(number)]
        var pod = Pod(
            metadata: ObjectMeta(name: record.name, namespace: name.namespace, createdAt: record.createdAt),
            hostNetwork: record.isOutsidePolicy && !record.isFinished,
            phase: record.isFinished ? .succeeded : .running, podIPs: record.addresses)
        guard record.hasGroup else { return pod }
        pod.metadata.labels = texts(of: labels(ofGroup: record.group))
        pod.serviceAccountName = account(ofGroup: record.group)
        pod.namedPorts = ports(ofGroup: record.group).map { port in
            NamedPort(name: strings[port.name.name], ipProtocol: port.name.ipProtocol, number: port.number)
        }
        return pod
    }

    /// Whether a pod is known and of this node.
    public func isLocal(_ name: EndpointName) -> Bool {
        number(ofPod: name).map { pods[Int($0)].isLocal } ?? false
    }

    /// A namespace, including the label that it has without an object. Nil if nothing names it.
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

    /// Pods that a wrong name was probably meant for, most likely first: in its namespace, with a similar or longer
    /// name; in other namespaces, with exactly this name.
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

    /// A wrong name must not block the daemon of a cluster with 150,000 pods.
    private static var candidateLimit: Int { 20_000 }
}
