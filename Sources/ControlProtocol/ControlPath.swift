// SPDX-License-Identifier: Apache-2.0

/// The daemon's calls, by path.
public enum ControlPath: String, Sendable, CaseIterable {
    case status = "/v1/status"
    case verify = "/v1/verify"
    case endpoints = "/v1/endpoints"
    case policies = "/v1/policies"
    case counters = "/v1/counters"
    case verdict = "/v1/verdict"
    case explain = "/v1/explain"
    case history = "/v1/history"
    case events = "/v1/events"
    case flows = "/v1/flows"
    case dump = "/v1/dump"
    case describe = "/v1/describe"
    case unused = "/v1/unused"
    case objects = "/v1/objects"
    case resolved = "/v1/resolved"
    case attachments = "/v1/attachments"
    case collect = "/v1/attachments/collect"
    case resync = "/v1/resync"
    case requestsFollow = "/v1/requests/follow"
    case requestCounts = "/v1/requests/counts"
    case version = "/v1/version"
    case preview = "/v1/preview"

    /// The HTTP methods that the path supports.
    public var methods: [ControlMethod] {
        switch self {
        case .status, .endpoints, .policies, .counters, .verdict, .explain, .events, .dump, .requestsFollow, .version:
            [.get]
        case .describe, .unused, .history, .verify, .flows: [.get]
        case .objects: [.put, .delete]
        case .resolved, .attachments: [.get, .put, .delete]
        case .collect, .resync, .requestCounts, .preview: [.post]
        }
    }
}

/// The HTTP methods in use.
public enum ControlMethod: String, Sendable, CaseIterable {
    case get = "GET"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"

    /// Whether a call with this method changes what is in force.
    public var isMutating: Bool { self != .get }
}

/// Limits and paths that the daemon and its clients share.
public enum ControlDefaults {
    /// The default path of the daemon's socket.
    public static let socketPath = "/run/bulkhead/bulkheadd.sock"
    /// The path of the socket that serves the node's proxy, for a control socket with this path. Its directory is its
    /// own, so that a pod can be given this socket alone.
    public static func requestSocketPath(beside socket: String) -> String {
        (socket.lastIndex(of: "/").map { String(socket[...$0]) } ?? "") + "requests/requests.sock"
    }
    /// The default directory of the kernel's pinned objects.
    public static let bpffs = "/sys/fs/bpf"
    /// The default directory of the node's CNI plugins.
    public static let cniBinaries = "/opt/cni/bin"
    /// The default directory of the node's CNI configuration.
    public static let cniConfigurations = "/etc/cni/net.d"
    /// Limit of bytes in the body of one request.
    public static let bodyLimit = 32 << 20
    /// Limit of bytes in a unix socket's path (`sun_path` has 108, including its final zero).
    public static let socketPathLimit = 107
    /// Records that wait for one follower of events; further ones are dropped and counted.
    public static let eventBacklog = 1024
    /// Flows, drops and requests that the daemon keeps by default, and the largest number that it accepts.
    public static let flowRecords = 4096
    public static let flowRecordLimit = 65536
    /// Clients that may follow events or flows at once.
    public static let followers = 64
    /// Clients that may follow the requests' policy at once, on each socket.
    public static let requestFollowers = 8
    /// Limit of bytes in a body of counts of requests.
    public static let requestCountsLimit = 1 << 20
}
