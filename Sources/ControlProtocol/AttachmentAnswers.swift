// SPDX-License-Identifier: Apache-2.0

/// One pod that the container runtime has reported.
public struct AttachmentAnswer: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable {
        /// The kernel holds its policy.
        case programmed
        /// Its object is not known yet, or the kernel could not be programmed: it is denied everything.
        case held
        /// Its object is not known yet, and the deadline's setting lets its packets pass unjudged until then.
        case unjudged
        /// Its object is known, and policy does not apply to it: it is finished, or on the node's own network.
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
    /// The interface through which its packets enter the node. Nil if not found; its source addresses are then not
    /// checked.
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

/// Answer of `GET /v1/attachments`, ordered by namespace, name and container.
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

/// In the status: pods that the container runtime has reported.
public struct AttachmentStatus: Codable, Sendable, Hashable {
    public var count: Int
    /// Of these: denied everything, because their objects are not known yet.
    public var held: Int
    /// Of these: unjudged, because their objects are not known yet and the deadline's setting allows it.
    public var unjudged: Int
    public init(count: Int, held: Int, unjudged: Int) {
        self.count = count
        self.held = held
        self.unjudged = unjudged
    }
}

/// In the status: the chained CNI plugin on this node.
public struct PluginStatus: Codable, Sendable, Hashable {
    /// The CNI configuration that has it; nil if there is none yet.
    public var configuration: String?
    /// How often it was added since the start.
    public var installs: Int
    /// Why it is not installed.
    public var problem: String?
    public init(configuration: String?, installs: Int, problem: String?) {
        self.configuration = configuration
        self.installs = installs
        self.problem = problem
    }
}
