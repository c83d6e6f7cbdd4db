// SPDX-License-Identifier: Apache-2.0

/// How the API server is followed.
public struct ClusterStatus: Codable, Sendable, Hashable {
    /// Its address.
    public var server: String
    /// Whether all objects were known once and are enforced. It stays true while the server is away.
    public var complete: Bool
    /// Whether the kernel keeps what a previous run left until all objects are known.
    public var keepsPrevious: Bool
    public var watches: [WatchAnswer]
    /// Objects that are refused, or overridden by a guardrail of the same name.
    public var problems: [Problem]

    /// Seconds after which the silence of a watch is no longer normal.
    public static let staleSeconds = 180.0

    public init(server: String, complete: Bool, keepsPrevious: Bool, watches: [WatchAnswer], problems: [Problem]) {
        self.server = server
        self.complete = complete
        self.keepsPrevious = keepsPrevious
        self.watches = watches
        self.problems = problems
    }

    /// Whether everything is known, understood and fresh.
    var isHealthy: Bool {
        complete && problems.isEmpty && watches.allSatisfy { $0.secondsSinceSign < Self.staleSeconds }
    }
}

/// How one resource is followed.
public struct WatchAnswer: Codable, Sendable, Hashable {
    /// As in RBAC rules: `pods`.
    public var resource: String
    /// `idle`, `listing`, `watching`, `waiting` before the next attempt, or `absent` from the server.
    public var phase: String
    /// Known objects.
    public var objects: Int
    /// Seconds since the server last showed that nothing is missing, which it does about once a minute.
    public var secondsSinceSign: Double
    /// Failures in a row.
    public var failures: Int
    /// The last failure.
    public var error: String?
    /// The server's state up to which everything is known; nil while it is being read.
    public var resourceVersion: String?

    public init(
        resource: String, phase: String, objects: Int, secondsSinceSign: Double, failures: Int, error: String?,
        resourceVersion: String?
    ) {
        self.resource = resource
        self.phase = phase
        self.objects = objects
        self.secondsSinceSign = secondsSinceSign
        self.failures = failures
        self.error = error
        self.resourceVersion = resourceVersion
    }
}
