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

/// The parts of an answer's head that matter.
public struct ResponseHead: Sendable, Hashable {
    public var status: Int
    /// Value of `Content-Type`, empty where absent.
    public var contentType: String
    /// Seconds of `Retry-After`; nil if absent or not a number.
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
    /// The answer is complete, as far as can be known.
    case end(RequestID)
    /// The request could not be sent, or the connection broke.
    case failed(RequestID, String)
    case timer(TimerID)
}

/// An action that a ``ResourceWatch`` wants.
public enum WatchAction: Sendable, Hashable {
    case send(RequestID, WatchRequest)
    /// The rest of the request's answer is not needed.
    case cancel(RequestID)
    /// Replaces the previous timer, which is then void.
    case setTimer(TimerID, Duration)
    /// Objects were added, changed or deleted. Before ``complete`` this is a part of the first list.
    case deliver([ObjectEvent])
    /// All objects of the resource have been delivered. Sent once.
    case complete
    /// The server does not accept the credentials: they should be read again.
    case credentialsRefused
    /// Something failed; sent each time.
    case failure(WatchFailure)
}

/// Why a list or watch did not continue.
public enum WatchFailure: Error, Sendable, Hashable, CustomStringConvertible {
    case connection(String)
    /// An answer, or the event of a watch, that is a failure. `reason` and `message` are the server's.
    case answer(status: Int, reason: String, message: String)
    /// Received data cannot be read.
    case malformed(String)
    /// One event or page is larger than the limit, in bytes.
    case tooLarge(limit: Int)
    /// Nothing arrived for too long.
    case silence
    /// A watch ended before it had sent anything.
    case earlyEnd
    /// Events arrived in an order that does not determine the current state.
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

/// The state of a ``ResourceWatch``.
public struct WatchStatus: Sendable, Hashable {
    public enum Phase: String, Sendable {
        case idle
        case listing
        case watching
        /// Waits before the next request, or for the server to answer.
        case waiting
        /// The server has no such resource; it is requested again now and then.
        case absent
    }
    public var phase: Phase
    /// Whether all objects have been delivered once.
    public var isComplete: Bool
    public var objects: Int
    /// Failures in a row.
    public var failures: Int
    public var lastFailure: WatchFailure?
    /// The server's state up to which changes are known.
    public var resourceVersion: String
    /// Objects that could not be read: their previously known versions stay. The first hundred.
    public var refused: [ObjectKey: String]
    /// Counts messages from the server that show that nothing is missing.
    public var signs: UInt64
}
