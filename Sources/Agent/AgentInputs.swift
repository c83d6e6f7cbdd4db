// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import NodeNetwork
import PolicyModel
import PolicyPipeline

/// The inputs of the agent: everything that it derives, compiles and programs follows from these and from its settings.
struct AgentInputs {
    /// The objects in force, and the source of each.
    var store = ObjectStore()
    /// The present problems, notices and warnings of the manifests.
    var manifests = ManifestChange()
    /// The same for the static guardrails.
    var guardrails = ManifestChange()
    /// The resolved policy that a client pushed.
    var resolved = ResolvedBody(endpoints: [])
    /// Pods, namespaces and nodes of the API server, as far as the first lists have arrived; nil once they are known,
    /// or without an API server.
    var gathering: PolicyPipeline?
    /// UIDs of this node's pods, for reports about them.
    var podUIDs = PodUIDs()
    /// The node's links, addresses and routes; nil before they are read.
    var network: NetworkState?
    /// What this node delivers to itself.
    var localAddresses: Set<CIDR> = []
    /// The container runtime's reports about this node's pods.
    var attachments = Attachments()
    /// Saved files that could not be used at the start.
    var brokenFiles: [BrokenFile] = []
}

/// The UIDs of this node's pods.
struct PodUIDs {
    private var uids: [EndpointName: String] = [:]

    subscript(_ pod: EndpointName) -> String? { uids[pod] }

    /// Applies changes of the cluster.
    mutating func take(_ events: [ObjectEvent], onNode node: String) {
        for event in events {
            switch event {
            case .set(.pod(let pod)) where pod.nodeName == node:
                uids[EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)] = pod.metadata.uid
            case .removed(let key) where key.kind == .pod:
                uids[EndpointName(namespace: key.namespace, name: key.name)] = nil
            case .set, .removed: continue
            }
        }
    }
}
