// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Runs blocking work on a thread of its own. Threads of Dispatch would not do: Swift's tasks run on the same ones, and
/// enough calls that block would keep those from running whose answers they wait for.
func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
