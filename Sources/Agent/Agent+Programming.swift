// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import NodeNetwork
import PolicyPipeline
import PrometheusText

/// The state of the kernel's side.
struct Programming {
    var backoff = RetryBackoff()
    /// What others have removed and could not be restored.
    var repairError: DatapathError?
    /// The next attempt, while the last one failed.
    var retry: Task<Void, Never>?
    var retryAt: ContinuousClock.Instant?
    var reclaim: Task<Void, Never>?
    /// Checks for changes by others.
    var watch: Task<Void, Never>?
    /// Whether something was programmed since the last reclaim was planned.
    var isBusy = false
    var batches = 0
    var last = ProgramReport()
    var lastDuration: Duration = .zero
    /// Changes by others that were repaired, since the start.
    var repaired = 0
    /// The last repairs, the newest last.
    private(set) var repairs: [RepairRecord] = []
    /// All of them.
    private(set) var repairCount = 0
    /// Whether the datapath was given the marks of flows to and from the proxy.
    var knowsMarks = false
    /// Failed attempts since the start.
    var failures = 0
    /// When the oldest change arrived that the kernel does not enforce yet.
    var pendingSince: ContinuousClock.Instant?
    /// Seconds from the arrival of a change until the kernel enforces it.
    var latency = Histogram(bounds: latencyBounds)

    /// From the time for one pod to the time for a retried failure.
    private static let latencyBounds = [
        0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
    ]

    mutating func keep(_ repair: RepairRecord) {
        repairCount += 1
        if repairs.count == Self.repairLimit { repairs.removeFirst() }
        repairs.append(repair)
    }

    /// What was repaired since there were `count` repairs, as one.
    func repair(since count: Int) -> RepairRecord? {
        let new = repairs.suffix(repairCount - count)
        guard let last = new.last else { return nil }
        return RepairRecord(new.flatMap(\.things), count: new.reduce(0) { $0 + $1.count }, time: last.time)
    }

    private static let repairLimit = 32

    mutating func noteEnforced() {
        guard let since = pendingSince else { return }
        latency.record((ContinuousClock.now - since) / .seconds(1))
        pendingSince = nil
    }

    /// How often to check whether everything that enforces is in place.
    static let moment: Duration = .milliseconds(500)

    /// Whether the kernel's connection table was nearly full at the last check.
    var areConnectionsFull = false

    /// Quiet time after which retired space is freed.
    static let quiet: Duration = .milliseconds(500)

    func stop() {
        retry?.cancel()
        reclaim?.cancel()
        watch?.cancel()
    }
}

extension Agent where Plane: ~Copyable {
    /// For a run that ends at once: finds the interfaces, and waits until retired space is freed.
    ///
    /// - Returns: what still prevents the kernel from holding the policy, in words.
    public func settle() -> String? {
        readNetwork()
        tidyUp()
        return phase.error?.description ?? replacement.lastError
    }

    func planReclaim() {
        programming.isBusy = true
        guard programming.reclaim == nil else { return }
        programming.reclaim = Task {
            while self.programming.isBusy, !Task.isCancelled {
                self.programming.isBusy = false
                try? await Task.sleep(for: Programming.quiet)
            }
            self.programming.reclaim = nil
            if !Task.isCancelled { self.tidyUp() }
        }
    }

    /// Frees what was retired, and merges what could not be merged before.
    private func tidyUp() {
        reclaimNow()
        guard pipeline.needsSettling, phase.error == nil else { return }
        reconcile(.policy)
        reclaimNow()
    }

    private func reclaimNow() {
        do {
            try datapath.reclaim()
        } catch {
            logger.error("retired tables could not be freed", metadata: ["error": "\(error)"])
        }
    }
}
