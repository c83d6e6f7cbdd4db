// SPDX-License-Identifier: Apache-2.0
import HummingbirdCore
import NIOCore

/// What one listener grants its clients. A client over the limits loses connections; the daemon keeps its descriptors.
public struct ListenerLimits: Sendable, Hashable {
    /// Open connections.
    public var connections: Int
    /// Open connections of one peer address.
    public var connectionsPerPeer: Int
    /// From the start of a connection to the end of its first request's head.
    public var headTime: TimeAmount = .seconds(10)
    /// Between two requests of a connection, including the head of the second.
    public var idleTime: TimeAmount = .seconds(30)
    /// From a request's head to the end of its body.
    public var bodyTime: TimeAmount = .seconds(30)
    /// How long a client may leave an answer unread.
    public var stallTime: TimeAmount

    /// Bytes of a request's head, bytes of one of its fields, and number of its fields.
    static let head = HTTP1Channel.Configuration.DecoderConfiguration(
        maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10, maxHeaderFieldCount: 64)

    public init(connections: Int, connectionsPerPeer: Int, stallTime: TimeAmount) {
        self.connections = connections
        self.connectionsPerPeer = connectionsPerPeer
        self.stallTime = stallTime
    }

    /// For `/metrics` and probes, which any pod may call: the intended clients are a few scrapers and the kubelet.
    public static let metrics = ListenerLimits(connections: 64, connectionsPerPeer: 8, stallTime: .seconds(30))
    /// For the control socket, which only root may call. All its clients are one peer. A person who pages through
    /// events may leave them unread for minutes.
    public static let control = ListenerLimits(connections: 128, connectionsPerPeer: 128, stallTime: .seconds(300))
}
