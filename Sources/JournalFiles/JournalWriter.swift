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

    enum Item: Sendable {
        case step(JournalStep)
        case gather([ObjectEvent])
        case begin(JournalBeginning, JournalTime)
        case event(JournalEvent, JournalTime)
        case read(@Sendable (JournalSnapshot?) -> Void)
        case stop(@Sendable () -> Void)
    }

    private struct Queue {
        var items: [Item] = []
        var isClosed = false
        /// Pods of other nodes that wait.
        var podsWaiting = 0
        /// Those that came too fast, to be counted.
        var podsLost: Set<ObjectKey> = []
    }

    /// Changes of pods of other nodes that may wait; each has two objects.
    private static let podLimit = 16_384

    private let queue = Mutex(Queue())
    private let present = Mutex(JournalStatus())
    private let wake = DispatchSemaphore(value: 0)
    private let node: String
    public let clock: JournalClock

    /// Starts the thread, which opens the journal.
    ///
    /// - Parameters:
    ///   - node: the node whose pods are kept as a whole.
    ///   - version: the daemon's, for the record of its start.
    public init(
        node: String, directory: JournalDirectory, version: String, clock: JournalClock = .system,
        differ: Differ? = nil, report: @escaping @Sendable (JournalReport) -> Void = { _ in }
    ) throws(JournalFileError) {
        self.clock = clock
        self.node = node
        let core = JournalCore(node: node, directory: directory, clock: clock, differ: differ, report: report)
        let started = clock.now()
        let run = Body { [self] in
            var core = core
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

    /// How the journal is doing.
    public var status: JournalStatus { present.withLock { $0 } }

    private func put(_ item: Item) {
        let isFirst = queue.withLock { queue in
            guard !queue.isClosed else { return false }
            queue.items.append(item)
            return queue.items.count == 1
        }
        if isFirst { wake.signal() }
    }

    /// Hands over the changes of a step.
    public func add(_ step: JournalStep) {
        let elsewhere = step.inputs.count { isElsewhere($0.event) }
        let isFirst = queue.withLock { queue in
            guard !queue.isClosed else { return false }
            var step = step
            if elsewhere > 0, queue.podsWaiting + elsewhere > Self.podLimit {
                queue.podsLost.formUnion(step.inputs.filter { isElsewhere($0.event) }.map(\.event.key))
                step.inputs.removeAll { isElsewhere($0.event) }
                guard !step.inputs.isEmpty else { return false }
            } else {
                queue.podsWaiting += elsewhere
            }
            queue.items.append(.step(step))
            return queue.items.count == 1
        }
        if isFirst { wake.signal() }
    }

    private func isElsewhere(_ event: ObjectEvent) -> Bool {
        if case .set(.pod(let pod)) = event { pod.nodeName != node } else { false }
    }

    /// Hands over objects of the first lists.
    public func gather(_ events: [ObjectEvent]) { put(.gather(events)) }

    /// Says that all objects are known.
    public func begin(_ beginning: JournalBeginning) { put(.begin(beginning, clock.now())) }

    /// Hands over an event.
    public func add(_ event: JournalEvent) { put(.event(event, clock.now())) }

    /// Reads the journal with everything that was handed over before this call.
    ///
    /// - Parameter answer: gets nil if the writer has stopped.
    public func read(_ answer: @escaping @Sendable (JournalSnapshot?) -> Void) {
        let isOpen = queue.withLock { queue in
            guard !queue.isClosed else { return false }
            queue.items.append(.read(answer))
            return true
        }
        if isOpen { wake.signal() } else { answer(nil) }
    }

    /// Writes everything that was handed over, and ends the thread.
    public func stop() {
        let ended = DispatchSemaphore(value: 0)
        let isOpen = queue.withLock { queue in
            guard !queue.isClosed else { return false }
            queue.isClosed = true
            queue.items.append(.stop { ended.signal() })
            return true
        }
        guard isOpen else { return }
        wake.signal()
        // A disk that hangs must not keep the daemon from ending.
        _ = ended.wait(timeout: .now() + .seconds(2))
    }
}

// MARK: - On the thread

extension JournalWriter {
    private func serve(_ core: inout JournalCore) {
        while true {
            present.withLock { $0 = core.status }
            let pause = core.tend()
            present.withLock { $0 = core.status }
            _ = pause.map { wake.wait(timeout: .now() + .milliseconds(Int($0))) } ?? waitForever()
            let (items, lost) = queue.withLock { queue in
                defer { (queue.items, queue.podsWaiting, queue.podsLost) = ([], 0, []) }
                return (queue.items, queue.podsLost)
            }
            let lastStep = items.lastIndex { if case .step = $0 { true } else { false } } ?? 0
            for (index, item) in items.enumerated() where !carryOut(item, &core, isBusy: index < lastStep) { return }
            if !lost.isEmpty { core.lose(lost) }
        }
    }

    private func waitForever() -> DispatchTimeoutResult {
        wake.wait()
        return .success
    }

    /// - Returns: false after the last one.
    private func carryOut(_ item: Item, _ core: inout JournalCore, isBusy: Bool) -> Bool {
        switch item {
        case .step(let step): core.take(step, isBusy: isBusy)
        case .gather(let events): core.gather(events)
        case .begin(let beginning, let time): core.begin(beginning, at: time)
        case .event(let event, let time): core.append(.event(event), at: time)
        case .read(let answer): answer(core.snapshot())
        case .stop(let ended):
            core.stop()
            present.withLock { $0 = core.status }
            ended()
            return false
        }
        return true
    }
}

extension JournalCore {
    /// Counts changes of pods of other nodes that came too fast, and says that something is missing.
    mutating func lose(_ pods: Set<ObjectKey>) {
        status.lost += UInt64(pods.count)
        let time = clock.now()
        // Its name may have been that of a pod of this node.
        for key in pods.sorted() {
            guard let old = state?.objects.removeValue(forKey: key) else { continue }
            append(change(key, old.journalDocument, [], source: "cluster", sequence + 1), at: time)
        }
        let text = "\(pods.count) changes of pods of other nodes came too fast and are missing"
        append(.event(JournalEvent(.known, text, isBase: true, isElsewhere: true)), at: time)
    }

    func snapshot() -> JournalSnapshot {
        JournalSnapshot(
            contents: store.directory.contents(), position: JournalPosition(last: last, time: clock.now()), state: state
        )
    }
}
