// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork
import PolicyPipeline

/// Where this node's pods are, known or not, as the node's network shows it.
struct UnknownPods {
    /// By interface name. The pipeline decides which of them stand for unknown pods.
    var candidates: [String: Set<IPAddress>] = [:]
}

extension Agent where Plane: ~Copyable {
    /// Tells the pipeline which interfaces lead to pods, if that changed. Sources of endpoints that only an interface
    /// shows are not checked: what else lies behind that interface is not known either.
    func updateUnknown() {
        guard let network else { return }
        let interfaces = Dictionary(
            network.podAddresses.map { ($0.key.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        guard interfaces != unknown.candidates else { return }
        unknown.candidates = interfaces
        // A failure is noted and retried.
        try? advance { $0.apply(interfaces: interfaces) }
    }
}
