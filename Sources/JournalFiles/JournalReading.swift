// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Why the journal could not be read.
public enum JournalReadError: Error, Sendable, Hashable {
    /// The writer has stopped.
    case stopped
    /// The journal's thread did not get to it in time: the disk may hang.
    case late
}

/// A reader that waits: it is answered once.
final class JournalReading: Sendable {
    typealias Answer = Result<JournalSnapshot, JournalReadError>

    private let waiting: Mutex<CheckedContinuation<Answer, Never>?>

    init(_ continuation: CheckedContinuation<Answer, Never>) { waiting = Mutex(continuation) }

    /// - Returns: whether this was the first answer.
    @discardableResult func answer(_ answer: Answer) -> Bool {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(returning: answer)
        return continuation != nil
    }

    /// Whether it was answered.
    var isOver: Bool { waiting.withLock { $0 == nil } }
}
