// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import Journal
import KubernetesObjects
import PolledThread
import Synchronization

/// Writes the journal on a thread of its own: who reports something only puts it into a queue. A journal that cannot be
/// written is off until it can be; nothing else depends on it.
public final class JournalWriter: Sendable {
    /// From the state before, the state after, the changed objects and the names of pods: samples of what changed, as
    /// sentences.
    public typealias Differ = @Sendable (JournalState, JournalState, [ObjectKey], [String]) -> [String]

    private struct Present {
        var status = JournalStatus()
        /// Since when the thread has done one thing, in milliseconds since boot; nil: it sleeps.
        var busySince: Int64?
    }

    private let queue: Mutex<JournalQueue>
    private let present = Mutex(Present())
    private let wake = DispatchSemaphore(value: 0)
    private let limits: JournalLimits
    public let clock: JournalClock

    /// Starts the thread, which opens the journal.
    ///
    /// - Parameters:
    ///   - node: the node whose pods are kept as a whole.
    ///   - version: the daemon's, for the record of its start.
    public init(
        node: String, directory: JournalDirectory, version: String, clock: JournalClock = .system,
        limits: JournalLimits = JournalLimits(), differ: Differ? = nil,
        report: @escaping @Sendable (JournalReport) -> Void = { _ in }
    ) throws(JournalFileError) {
        self.clock = clock
        self.limits = limits
        queue = Mutex(JournalQueue(node: node, limits: limits))
        let core = JournalCore(node: node, directory: directory, clock: clock, differ: differ, report: report)
        let started = clock.now()
        let run = Body { [self] in
            var core = core
            present.withLock { $0.busySince = started.uptime }
            core.open(version: version, at: started)
            serve(&core)
        }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                ThreadName.set("bulkhead-journal")
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(run).toOpaque())
        guard code == 0 else {
            Unmanaged.passUnretained(run).release()
            throw JournalFileError(directory.path, "no thread for the journal: \(String(cString: strerror(code)))")
        }
        pthread_detach(thread)
    }

    /// What the thread runs.
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    /// How the journal is doing. A thread that hangs cannot say so itself: it is seen here.
    public var status: JournalStatus {
        let (now, lost) = (clock.now().uptime, queue.withLock { $0.lost })
        let present = present.withLock { $0 }
        var status = present.status
        status.lost += lost
        if let since = present.busySince, now - since > limits.patience {
            status.problem = "a write has taken more than \(limits.patience / 1000) seconds; the disk may hang"
        }
        return status
    }

    private func put(_ item: JournalQueue.Item) {
        if queue.withLock({ $0.put(item) }) == true { wake.signal() }
    }

    /// Hands over the changes of a step.
    public func add(_ step: JournalStep) {
        if queue.withLock({ $0.put(step) }) == true { wake.signal() }
    }

    /// Hands over objects of the first lists.
    public func gather(_ events: [ObjectEvent]) { put(.gather(events)) }

    /// Says that all objects are known.
    public func begin(_ beginning: JournalBeginning) { put(.begin(beginning, clock.now())) }

    /// Hands over an event.
    public func add(_ event: JournalEvent) { put(.event(event, clock.now())) }

    /// How long a reader waits.
    public static let readLimit: Duration = .seconds(5)

    /// Reads the journal with everything that was handed over before this call.
    public func read(within limit: Duration = JournalWriter.readLimit) async throws(JournalReadError)
        -> JournalSnapshot
    {
        let milliseconds = Int(limit / .milliseconds(1))
        let answer = await withCheckedContinuation { continuation in
            let reading = JournalReading(continuation)
            guard let isFirst = queue.withLock({ $0.put(.read(reading)) }) else {
                reading.answer(.failure(.stopped))
                return
            }
            if isFirst { wake.signal() }
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(milliseconds)) {
                if reading.answer(.failure(.late)) { self.queue.withLock { $0.remove(reading) } }
            }
        }
        return try answer.get()
    }

    /// Writes everything that was handed over, and ends the thread. A disk that hangs does not keep the daemon from
    /// ending.
    public func stop() {
        let ended = DispatchSemaphore(value: 0)
        guard let isFirst = queue.withLock({ $0.put(.stop { ended.signal() }) }) else { return }
        if isFirst { wake.signal() }
        _ = ended.wait(timeout: .now() + .seconds(2))
    }
}

// MARK: - On the thread

extension JournalWriter {
    private func serve(_ core: inout JournalCore) {
        while true {
            note(core, isBusy: true)
            let pause = core.tend()
            let (item, steps) = queue.withLock { ($0.take(), $0.steps) }
            if let item {
                note(core, isBusy: true)
                guard carryOut(item, &core, isBusy: steps > 0) else { return note(core, isBusy: false) }
            } else {
                note(core, isBusy: false)
                _ = pause.map { wake.wait(timeout: .now() + .milliseconds(Int($0))) } ?? waitForever()
            }
        }
    }

    private func note(_ core: JournalCore, isBusy: Bool) {
        let now = clock.now().uptime
        present.withLock { $0 = Present(status: core.status, busySince: isBusy ? now : nil) }
    }

    private func waitForever() -> DispatchTimeoutResult {
        wake.wait()
        return .success
    }

    /// - Returns: false after the last one.
    private func carryOut(_ item: JournalQueue.Item, _ core: inout JournalCore, isBusy: Bool) -> Bool {
        switch item {
        case .step(let step): core.take(step, isBusy: isBusy)
        case .gather(let events): core.gather(events)
        case .begin(let beginning, let time): core.begin(beginning, at: time)
        case .event(let event, let time): core.append(.event(event), at: time)
        case .lost(let loss): core.take(loss)
        case .read(let reading): if !reading.isOver { reading.answer(.success(core.snapshot())) }
        case .stop(let ended):
            core.stop()
            note(core, isBusy: false)
            ended()
            return false
        }
        return true
    }
}

extension JournalCore {
    func snapshot() -> JournalSnapshot {
        JournalSnapshot(
            contents: store.directory.contents(), position: JournalPosition(last: last, time: clock.now()), state: state
        )
    }
}
