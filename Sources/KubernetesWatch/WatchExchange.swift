// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Names one request of a ``ResourceWatch``.
public struct RequestID: Sendable, Hashable {
    let number: UInt64
}

/// Names one timer of a ``ResourceWatch``.
public struct TimerID: Sendable, Hashable {
    let number: UInt64
}

/// A GET to send.
public struct WatchRequest: Sendable, Hashable {
    /// Path and query.
    public var target: String
    /// Value of the header `Accept`.
    public var accept: String
}

/// What of the head of an answer is looked at.
public struct ResponseHead: Sendable, Hashable {
    public var status: Int
    /// Value of `Content-Type`, empty where absent.
    public var contentType: String
    /// Seconds of `Retry-After`; nil where absent or no number.
    public var retryAfter: Int?
    public init(status: Int, contentType: String, retryAfter: Int? = nil) {
        self.status = status
        self.contentType = contentType
        self.retryAfter = retryAfter
    }
}

/// What happens to a ``ResourceWatch``.
public enum WatchInput: Sendable {
    case begin
    case head(RequestID, ResponseHead)
    case bytes(RequestID, [UInt8])
    /// The answer is complete, as far as can be told.
    case end(RequestID)
    /// The request could not be sent, or the connection broke.
    case failed(RequestID, String)
    case timer(TimerID)
}

/// What a ``ResourceWatch`` wants done.
public enum WatchAction: Sendable, Hashable {
    case send(RequestID, WatchRequest)
    /// Nothing of the request's answer is wanted any more.
    case cancel(RequestID)
    /// In place of the timer that was set before, which means nothing any more.
    case setTimer(TimerID, Duration)
    /// Objects came, changed or went. Before ``complete`` this is a part of the first list.
    case deliver([ObjectEvent])
    /// All objects of the resource have been delivered. Told once.
    case complete
    /// The server does not know who asks: what says so should be read anew.
    case credentialsRefused
    /// Something failed; told each time.
    case failure(WatchFailure)
}

/// Why a list or watch did not go on.
public enum WatchFailure: Error, Sendable, Hashable, CustomStringConvertible {
    case connection(String)
    /// An answer, or the event of a watch, that is a failure. `reason` and `message` as the server gave them.
    case answer(status: Int, reason: String, message: String)
    /// What came cannot be read.
    case malformed(String)
    /// One event or page is larger than the limit, in bytes.
    case tooLarge(limit: Int)
    /// Nothing came for too long.
    case silence
    /// A watch ended before it had said anything.
    case earlyEnd
    /// Events came in an order in which it cannot be told what holds.
    case disorder

    public var description: String {
        switch self {
        case .connection(let reason): reason
        case .answer(let status, let reason, let message):
            "the server answered \(status)" + (reason.isEmpty ? "" : " \(reason)")
                + (message.isEmpty ? "" : ": \(message)")
        case .malformed(let reason): "the answer cannot be read: \(reason)"
        case .tooLarge(let limit): "the answer has a piece of more than \(limit) bytes"
        case .silence: "the connection is silent"
        case .earlyEnd: "the watch ended before it said anything"
        case .disorder: "events came out of order"
        }
    }
}

/// How a ``ResourceWatch`` stands.
public struct WatchStatus: Sendable, Hashable {
    public enum Phase: String, Sendable {
        case idle
        case listing
        case watching
        /// Waits before it asks again, or for the server to answer.
        case waiting
        /// The server has no such resource; it is asked for again now and then.
        case absent
    }
    public var phase: Phase
    /// Whether all objects have been delivered once.
    public var isComplete: Bool
    public var objects: Int
    /// Failures in a row.
    public var failures: Int
    public var lastFailure: WatchFailure?
    /// Up to which state of the server's the changes are known.
    public var resourceVersion: String
    /// Objects that could not be read: what was known of them before holds on. The first hundred.
    public var refused: [ObjectKey: String]
    /// Counts what came from the server that shows that nothing is being missed.
    public var signs: UInt64
}
