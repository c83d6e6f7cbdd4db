// SPDX-License-Identifier: Apache-2.0

/// How one resource is followed.
public struct WatchSettings: Sendable, Hashable {
    /// Objects of one page of a list.
    public var pageSize = 500
    /// Seconds after which the server is asked to end a watch: chosen between the two for each watch, so that the nodes
    /// of a cluster do not reconnect together.
    public var watchSeconds: ClosedRange<UInt64> = 300...600
    /// The same for a resource without changes. The end of its watch is the evidence that the server is there.
    public var quietSeconds: ClosedRange<UInt64> = 90...120
    /// A watch that has received nothing for this long, or up to twice as long, is requested again from where it
    /// stopped. That is not a failure: a server sends bookmarks for an unchanged resource only if etcd reports its
    /// progress often. But a proxy may have lost the server without a notice, and only a request finds out.
    public var watchSilence: Duration = .seconds(75)
    /// The server is considered dead if a list receives nothing for this long, if the answer to a watch does not begin,
    /// or if a watch continues for this long after its requested end.
    public var answerSilence: Duration = .seconds(20)
    /// The first wait after a failure; each further one doubles it, up to `longestDelay`.
    public var firstDelay: Duration = .milliseconds(500)
    public var longestDelay: Duration = .seconds(30)
    /// The longest wait that a server may ask for.
    public var longestRetryAfter: Duration = .seconds(300)
    /// How often a custom resource that the server does not have is requested again.
    public var absentInterval: Duration = .seconds(60)
    /// A custom resource with known objects must be missing this many times in a row, `absentPause` apart, before its
    /// objects are dropped.
    public var absentAnswers = 3
    public var absentPause: Duration = .seconds(5)
    /// Failed answers of a watch in a row after which the list is read again.
    public var answersUntilList = 5
    /// Bytes of one event of a watch. The server's own limit for an object is 1.5 MiB.
    public var frameLimit = 16 << 20
    /// Bytes of one page of a list.
    public var bodyLimit = 256 << 20

    public init() {}
}
