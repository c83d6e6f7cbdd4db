// SPDX-License-Identifier: Apache-2.0

/// How one resource is followed.
public struct WatchSettings: Sendable, Hashable {
    /// Objects of one page of a list.
    public var pageSize = 500
    /// Seconds after which the server is asked to end a watch: chosen anew for each between the two, so that the nodes
    /// of a cluster don't come back together.
    public var watchSeconds: ClosedRange<UInt64> = 300...600
    /// The same for a resource that nothing happens to. The end of its watch is the sign that the server is there.
    public var quietSeconds: ClosedRange<UInt64> = 90...120
    /// A watch that says nothing for this long, or up to twice as long, is asked anew from where it stood. That is no
    /// failure: a server sends bookmarks of an unchanged resource only where etcd reports its progress often. But a
    /// proxy may have lost the server without a word, and only a request finds out.
    public var watchSilence: Duration = .seconds(75)
    /// The server is dead if a list says nothing for this long, if the answer to a watch does not begin, or if a watch
    /// goes on for this long after the end that was asked for.
    public var answerSilence: Duration = .seconds(20)
    /// The first wait after a failure; each further one doubles it, up to `longestDelay`.
    public var firstDelay: Duration = .milliseconds(500)
    public var longestDelay: Duration = .seconds(30)
    /// The longest wait that a server may ask for.
    public var longestRetryAfter: Duration = .seconds(300)
    /// How often a custom resource that the server does not have is asked for again.
    public var absentInterval: Duration = .seconds(60)
    /// A custom resource of which objects are known has to be found missing this many times in a row, `absentPause`
    /// apart, before they are let go.
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
