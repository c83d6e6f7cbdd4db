// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import NodeNetwork
import PolicyModel
import PolicyPipeline

/// What the agent was told: all that it derives, compiles and programs follows from this and from its settings.
struct AgentInputs {
    /// The objects in force, and the source of each.
    var store = ObjectStore()
    /// What is refused, noticed and warned of in the manifests now.
    var manifests = ManifestChange()
    /// The same of the static guardrails.
    var guardrails = ManifestChange()
    /// The resolved policy that a client pushed.
    var resolved = ResolvedBody(endpoints: [])
    /// Pods, namespaces and nodes of the API server, as far as the first lists have come; nil once they are known, or
    /// where no API server is followed.
    var gathering: PolicyPipeline?
    /// UIDs of this node's pods, for reports about them.
    var podUIDs = PodUIDs()
    /// The node's links, addresses and routes; nil: not read yet.
    var network: NetworkState?
    /// What this node takes in itself.
    var localAddresses: Set<CIDR> = []
    /// What the container runtime reported of this node's pods.
    var attachments = Attachments()
    /// Kept files that could not be used at the start.
    var brokenFiles: [BrokenFile] = []
}

/// The UIDs of this node's pods.
struct PodUIDs {
    private var uids: [EndpointName: String] = [:]

    subscript(_ pod: EndpointName) -> String? { uids[pod] }

    /// Takes in what changed in the cluster.
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
