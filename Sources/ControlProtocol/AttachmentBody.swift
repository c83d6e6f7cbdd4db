// SPDX-License-Identifier: Apache-2.0

/// Body of `PUT /v1/attachments`: a pod whose network has just been created, as the container runtime reports it.
public struct AttachmentBody: Codable, Sendable, Hashable {
    /// What to do when the pod's policy is not in the kernel in time.
    public enum Expiry: String, Codable, Sendable {
        /// Refuse; the pod stays denied everything.
        case deny
        /// Let its packets pass unjudged until its object is known.
        case allow
    }

    /// The runtime's ID of the pod's sandbox (CNI_CONTAINERID) and the interface in it (CNI_IFNAME): together they
    /// identify the attachment.
    public var container: String
    public var ifname: String
    /// The network's name in the CNI configuration.
    public var network: String
    public var namespace: String
    public var pod: String
    /// The pod's UID, which distinguishes it from another pod of that name.
    public var uid: String
    /// The pod's addresses, IPv4 and IPv6.
    public var addresses: [String]
    /// Interfaces of the node that were created for it. Optional.
    public var hostInterfaces: [String]?
    /// How long to wait until its policy is in the kernel.
    public var deadlineMilliseconds: Int
    public var onDeadline: Expiry

    public init(
        container: String, ifname: String, network: String, namespace: String, pod: String, uid: String,
        addresses: [String], hostInterfaces: [String]? = nil, deadlineMilliseconds: Int, onDeadline: Expiry = .deny
    ) {
        self.container = container
        self.ifname = ifname
        self.network = network
        self.namespace = namespace
        self.pod = pod
        self.uid = uid
        self.addresses = addresses
        self.hostInterfaces = hostInterfaces
        self.deadlineMilliseconds = deadlineMilliseconds
        self.onDeadline = onDeadline
    }

    /// The allowed deadlines in milliseconds: a connection without data is closed after a longer time.
    public static let deadlines = 1...25000

    enum CodingKeys: CodingKey, CaseIterable {
        case container, ifname, network, namespace, pod, uid, addresses, hostInterfaces, deadlineMilliseconds
        case onDeadline
    }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        container = try values.decode(String.self, forKey: .container)
        ifname = try values.decode(String.self, forKey: .ifname)
        network = try values.decode(String.self, forKey: .network)
        namespace = try values.decode(String.self, forKey: .namespace)
        pod = try values.decode(String.self, forKey: .pod)
        uid = try values.decode(String.self, forKey: .uid)
        addresses = try values.decode([String].self, forKey: .addresses)
        hostInterfaces = try values.decodeIfPresent([String].self, forKey: .hostInterfaces)
        deadlineMilliseconds = try values.decode(Int.self, forKey: .deadlineMilliseconds)
        onDeadline = try values.decode(Expiry.self, forKey: .onDeadline)
    }
}

/// Body of `POST /v1/attachments/collect`: everything that the runtime still has of a network.
public struct CollectBody: Codable, Sendable, Hashable {
    public struct Attachment: Codable, Sendable, Hashable {
        public var container: String
        public var ifname: String
        public init(container: String, ifname: String) {
            self.container = container
            self.ifname = ifname
        }

        enum CodingKeys: CodingKey, CaseIterable { case container, ifname }
        public init(from decoder: any Decoder) throws {
            let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
            container = try values.decode(String.self, forKey: .container)
            ifname = try values.decode(String.self, forKey: .ifname)
        }
    }
    public var network: String
    public var valid: [Attachment]
    public init(network: String, valid: [Attachment]) {
        self.network = network
        self.valid = valid
    }

    enum CodingKeys: CodingKey, CaseIterable { case network, valid }
    public init(from decoder: any Decoder) throws {
        let values = try decoder.strictContainer(keyedBy: CodingKeys.self)
        network = try values.decode(String.self, forKey: .network)
        valid = try values.decode([Attachment].self, forKey: .valid)
    }
}
