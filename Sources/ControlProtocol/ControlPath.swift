// SPDX-License-Identifier: Apache-2.0

/// What can be asked of the daemon, by path.
public enum ControlPath: String, Sendable, CaseIterable {
    case status = "/v1/status"
    case endpoints = "/v1/endpoints"
    case policies = "/v1/policies"
    case counters = "/v1/counters"
    case verdict = "/v1/verdict"
    case events = "/v1/events"
    case dump = "/v1/dump"
    case objects = "/v1/objects"
    case resolved = "/v1/resolved"
    case attachments = "/v1/attachments"
    case collect = "/v1/attachments/collect"
    case resync = "/v1/resync"

    /// The HTTP methods that the path answers.
    public var methods: [ControlMethod] {
        switch self {
        case .status, .endpoints, .policies, .counters, .verdict, .events, .dump: [.get]
        case .objects: [.put, .delete]
        case .resolved, .attachments: [.get, .put, .delete]
        case .collect, .resync: [.post]
        }
    }
}

/// The HTTP methods in use.
public enum ControlMethod: String, Sendable, CaseIterable {
    case get = "GET"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"

    /// Whether a call by this method changes what is in force.
    public var isMutating: Bool { self != .get }
}

/// Limits and places that the daemon and its clients share.
public enum ControlDefaults {
    /// Where the daemon listens unless told otherwise.
    public static let socketPath = "/run/bulkhead/bulkheadd.sock"
    /// Where the kernel's objects are pinned unless told otherwise.
    public static let bpffs = "/sys/fs/bpf"
    /// Where the node's CNI plugins are unless told otherwise.
    public static let cniBinaries = "/opt/cni/bin"
    /// Where the node's CNI configuration is unless told otherwise.
    public static let cniConfigurations = "/etc/cni/net.d"
    /// Bytes that the body of one request may have.
    public static let bodyLimit = 32 << 20
    /// Bytes that a unix socket's path may have (`sun_path`, its final zero included, is 108).
    public static let socketPathLimit = 107
    /// Records that wait for one follower of the events; what comes on top is dropped and counted.
    public static let eventBacklog = 1024
    /// Clients that may follow the events at once.
    public static let followers = 64
}
