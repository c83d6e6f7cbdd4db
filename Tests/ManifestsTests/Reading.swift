// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests

func read(_ text: String, file: String = "t.yaml") -> [ManifestDocument] {
    ManifestReader().read(Array(text.utf8), file: file)
}

func pod(_ name: String, _ address: String = "10.0.0.1", namespace: String = "shop") -> String {
    """
    apiVersion: v1
    kind: Pod
    metadata: {name: \(name), namespace: \(namespace)}
    status: {podIP: \(address)}

    """
}

func policy(_ name: String, types: String = "[Ingress]") -> String {
    """
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: \(name), namespace: shop}
    spec:
      podSelector: {}
      policyTypes: \(types)

    """
}

func key(_ kind: ObjectKind, _ name: String, namespace: String = "shop") -> ObjectKey {
    ObjectKey(kind: kind, namespace: namespace, name: name)
}

extension ObjectEvent {
    /// `+ key` or `- key`.
    var summary: String {
        switch self {
        case .set(let object): "+ \(object.key)"
        case .removed(let key): "- \(key)"
        }
    }
}
