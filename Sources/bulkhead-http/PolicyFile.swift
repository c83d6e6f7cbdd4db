// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import RequestPolicy
import Synchronization
import WholeFiles

/// The file in which the last policy outlives the decider: a snapshot in the daemon's own lines, with their checksum.
final class PolicyFile: Sendable {
    let path: String
    private let queue = DispatchQueue(label: "policy file")
    private let waiting = Mutex<RequestPolicy?>(nil)
    /// Of the file. The daemon's snapshots for a node's pods are far below.
    private static let sizeLimit = 512 << 20

    init(path: String) { self.path = path }

    /// Nil if there is none, or if it is damaged.
    func read() -> RequestPolicy? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG, facts.st_size <= Self.sizeLimit else {
            Decide.say("\(path) is not a file of limited size and is left alone")
            return nil
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        do throws(RequestPolicyError) {
            return try RequestPolicyLines.policy(in: bytes)
        } catch {
            Decide.say("\(path) is of no use: \(error)")
            return nil
        }
    }

    /// Replaces the file soon; only the last of several policies is written.
    func write(_ policy: RequestPolicy) {
        let isQueued = waiting.withLock { waiting in
            defer { waiting = policy }
            return waiting != nil
        }
        if isQueued { return }
        queue.async {
            let policy = self.waiting.withLock { waiting in
                defer { waiting = nil }
                return waiting
            }
            if let policy { self.replace(RequestPolicyChange(policy).bytes) }
        }
    }

    /// Returns once every policy that was to be written is in the file, or could not be written.
    func settle() async {
        await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
    }

    private func replace(_ bytes: [UInt8]) {
        do {
            try WholeFile.replace(path, with: bytes, mode: 0o600)
        } catch {
            Decide.say("\(error)")
        }
    }
}
