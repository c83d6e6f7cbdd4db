// SPDX-License-Identifier: Apache-2.0

/// How one resource is followed.
public struct WatchSettings: Sendable, Hashable {
    /// Objects of one page of a list.
    public var pageSize = 500
    /// Seconds after which the server is asked to end a watch: chosen anew for each between the two, so that the nodes
    /// of a cluster don't come back together.
    public var watchSeconds: ClosedRange<UInt64> = 300...600
    /// A watch that says nothing for this long, or up to twice as long, is dead. Servers send a bookmark about once a
    /// minute.
    public var watchSilence: Duration = .seconds(75)
    /// The same for a list.
    public var listSilence: Duration = .seconds(20)
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
