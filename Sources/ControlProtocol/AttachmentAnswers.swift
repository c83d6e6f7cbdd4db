// SPDX-License-Identifier: Apache-2.0

/// One pod that the container runtime has told of.
public struct AttachmentAnswer: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable {
        /// The kernel holds its policy.
        case programmed
        /// Its object is not known yet, or the kernel could not be programmed: it is denied everything.
        case held
        /// Its object is not known yet, and the deadline's setting lets it pass unjudged until then.
        case unjudged
        /// Its object is known and outside of policy: finished, or on the node's own network.
        case outside
        /// The tables have no room for it: it is not protected.
        case overLimit
    }
    public var container: String
    public var ifname: String
    public var network: String
    public var namespace: String
    public var pod: String
    public var uid: String
    public var addresses: [String]
    public var state: State
    /// By which its packets enter the node. Nil: not found, so its sources are not checked.
    public var interface: InterfaceAnswer?

    public init(
        container: String, ifname: String, network: String, namespace: String, pod: String, uid: String,
        addresses: [String], state: State, interface: InterfaceAnswer?
    ) {
        self.container = container
        self.ifname = ifname
        self.network = network
        self.namespace = namespace
        self.pod = pod
        self.uid = uid
        self.addresses = addresses
        self.state = state
        self.interface = interface
    }
}

/// Answer of `GET /v1/attachments`, in order of namespace, name and container.
public struct AttachmentsAnswer: Codable, Sendable, Hashable {
    public var attachments: [AttachmentAnswer]
    public init(attachments: [AttachmentAnswer]) { self.attachments = attachments }
}

/// Answer of `DELETE /v1/attachments` and `POST /v1/attachments/collect`.
public struct DetachAnswer: Codable, Sendable, Hashable {
    /// Attachments that are forgotten now.
    public var removed: Int
    public init(removed: Int) { self.removed = removed }
}

/// In the status: pods that the container runtime has told of.
public struct AttachmentStatus: Codable, Sendable, Hashable {
    public var count: Int
    /// Of these: denied everything, since their object is not known yet.
    public var held: Int
    /// Of these: unjudged, since their object is not known yet and the deadline's setting says so.
    public var unjudged: Int
    public init(count: Int, held: Int, unjudged: Int) {
        self.count = count
        self.held = held
        self.unjudged = unjudged
    }
}

/// In the status: the chained CNI plugin on this node.
public struct PluginStatus: Codable, Sendable, Hashable {
    /// The CNI configuration that has it; nil: there is none yet.
    public var configuration: String?
    /// How often it was put in since the start.
    public var installs: Int
    /// Why it is not in.
    public var problem: String?
    public init(configuration: String?, installs: Int, problem: String?) {
        self.configuration = configuration
        self.installs = installs
        self.problem = problem
    }
}
