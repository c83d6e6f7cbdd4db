// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLinuxShim
import CompiledPolicy
import ConnectionTracking
import Datapath
import Glibc
import GracePeriod
import Netfilter

/// Programs the kernel's netfilter hooks of the calling thread's network namespace by eBPF: `forward`, and while
/// ``CompiledPolicy/judgesOwnNode`` says so, `input` and `output`.
///
/// Maps, programs and links are pinned under `<bpffs>/bulkhead` and go on enforcing without this process. Calls block
/// and must come from a thread that stays in one network namespace.
public struct EBPFDatapath: ~Copyable, Datapath {
    public struct Options: Sendable, Hashable {
        /// Drop events: at most so many a second on average, and so many at once.
        public var eventsPerSecond: UInt32 = 100
        public var eventBurst: UInt32 = 200
        /// If packets of a flow are still dropped, it is reported again after this many milliseconds.
        public var eventRepeatMilliseconds: UInt32 = 10_000
        /// Priority in the hooks; the next free one is taken. Must be after connection tracking and
        /// destination NAT, which run at earlier hooks; other filters sit at 0.
        public var hookPriority: Int32 = -10
        /// Room at first; doubled as needed.
        public var capacities: Capacities

        public init() {
            capacities = Capacities(
                words: TableMemory.heapBegin + 128 * 1024, addressClasses: 1024, programs: 256, rules: 2048)
        }
    }

    let bpffs: String
    let options: Options
    var lock: Descriptor?
    /// The directory that ``lock`` holds, by its inode.
    var lockedRoot: UInt64?
    var current: Generation?
    /// Directories of sets that enforce until ``resync(_:)`` has written everything.
    var superseded: [String] = []
    public private(set) var takeover = Takeover.nothing
    var retired = RetiredNumbers()
    /// Rules whose counters may not be zero although no rule has the number.
    var usedRules: Set<RuleID> = []
    var revoked = RevokedConnections()
    /// Whether connections that policy denies may be unknown: at the start, and after a failure.
    var owesRevocation = true
    var netfilter: NetfilterSocket?
    /// Events of replaced sets that were not fetched yet.
    var carried: [DropEvent] = []

    /// - Parameter bpffs: a directory of a mounted BPF file system.
    public init(bpffs: String, options: Options = Options()) {
        self.bpffs = bpffs
        self.options = options
    }

    var layoutDirectory: String { Pins.root(bpffs) + "/v\(BH_LAYOUT_VERSION)" }

    func opened() throws(DatapathError) -> Generation {
        guard let current else { throw .corrupt("the datapath was not opened") }
        return current
    }

    // MARK: Opening

    public mutating func open() throws(DatapathError) -> Numbering {
        try prepareDirectory()
        if lock == nil { try lockRoot() }
        let isTracking = try TrackingTable.isWhole()
        try TrackingTable.create()
        let generation: Generation
        if let (found, attached) = try adopt() {
            generation = found
            let missing = attached + (isTracking ? [] : ["the \(TrackingTable.name)"])
            takeover = missing.isEmpty ? .whole : .part(missing)
        } else {
            takeover = superseded.isEmpty ? .nothing : .other
            generation = try create(number: nextNumber(), options.capacities)
        }
        generation.writeSettings(options)
        generation.setListening(false)
        generation.setFlows(nil)
        generation.complete()
        try attach(generation)
        try generation.pin()
        current = generation
        // What the last process retired may still be in a packet's hands.
        try gracePeriod()
        noteUsedRules(try readCounters(generation), generation)
        _ = generation.memory.takeWordsWritten()
        var numbering = generation.keys.numbering
        numbering.portSegments = generation.portSegments
        return numbering
    }

    func prepareDirectory() throws(DatapathError) {
        let found = bh_is_bpffs(bpffs)
        guard found == 1 else {
            if found < 0 { throw .system(operation: "opening \(bpffs)", code: -found, detail: "") }
            throw .unsupported(what: "\(bpffs) is not on a BPF file system", remedy: "mount -t bpf bpf \(bpffs)")
        }
        try Pins.makeDirectory(Pins.root(bpffs))
        try Pins.makeDirectory(layoutDirectory)
    }

    private var generationNumbers: [Int] { Pins.names(in: layoutDirectory).compactMap { Int($0) }.sorted() }

    func nextNumber() -> Int { max(generationNumbers.last ?? 0, current?.number ?? 0) + 1 }

    /// The newest complete set. Older and unfinished ones are removed; sets that cannot be understood, and those of
    /// other layouts, keep enforcing until everything is written again.
    ///
    /// - Returns: it, and what was attached again.
    private mutating func adopt() throws(DatapathError) -> (Generation, [String])? {
        var found: (Generation, [String])?
        superseded = Pins.names(in: Pins.root(bpffs)).map { Pins.root(bpffs) + "/" + $0 }
            .filter { $0 != layoutDirectory }
        for number in generationNumbers.reversed() {
            let directory = "\(layoutDirectory)/\(number)"
            do {
                if found == nil {
                    let generation = try Generation.open(number, in: layoutDirectory)
                    // Attached before an older one is detached, should the last process have ended in between.
                    found = (generation, try attach(generation))
                } else {
                    try Pins.removeTree(directory)
                }
            } catch {
                guard !Pins.names(in: directory).contains(where: { $0.hasPrefix("link") }) else {
                    superseded.append(directory)
                    continue
                }
                try Pins.removeTree(directory)
            }
        }
        return found
    }

    func create(number: Int, _ capacities: Capacities) throws(DatapathError) -> Generation {
        try Generation.create(number, in: layoutDirectory, capacities, options)
    }

    /// Attaches the programs at the hooks whose packets the tables judge.
    ///
    /// - Returns: what was not attached, in words.
    @discardableResult func attach(_ generation: Generation) throws(DatapathError) -> [String] {
        try generation.attach(generation.wantedHooks, priority: options.hookPriority)
    }

    /// Attaches the programs that judge packets between endpoints and the node itself. Where their links cannot be
    /// pinned they judge all the same: ``repair()`` tries again.
    func attachOwnNode(_ generation: Generation) throws(DatapathError) {
        try generation.attach(PacketHook.ownNode, priority: options.hookPriority)
        _ = try? generation.pin()
    }

    // MARK: Grace periods

    /// Waits until no packet can see what was retired, and frees it.
    @discardableResult
    mutating func gracePeriod() throws(DatapathError) -> Int {
        let waitsForOutput = current?.mayJudgeOutput ?? true
        do throws(PacketsUnderWay.Unknown) {
            if waitsForOutput { try PacketsUnderWay.tryWait() } else { try PacketsUnderWay.tryWaitForForwarded() }
        } catch {
            throw .unsupported(
                what: "membarrier(MEMBARRIER_CMD_GLOBAL) failed with errno \(error.code)",
                remedy: "boot without nohz_full")
        }
        if let current, waitsForOutput { current.mayJudgeOutput = current.judgesOwnNode }
        current?.memory.releaseRetired()
        retired = RetiredNumbers()
        return 1
    }

    public mutating func reclaim() throws(DatapathError) {
        try removeRevoked()
        guard let current, !current.memory.retired.isEmpty || !retired.isEmpty else { return }
        try gracePeriod()
    }
}

/// Numbers retired since the last grace period: a packet may still hold them.
struct RetiredNumbers: Sendable {
    var addressClasses: Set<AddressClassID> = []
    var portClasses: Set<PortClassID> = []
    var endpoints: Set<EndpointID> = []
    var rules: Set<RuleID> = []
    /// Whether any endpoint has another program than before.
    var programs = false

    var isEmpty: Bool {
        addressClasses.isEmpty && portClasses.isEmpty && endpoints.isEmpty && rules.isEmpty && !programs
    }

    /// Whether a step would write what a packet may still be looking at. A new class may get the row or column of any
    /// retired one.
    func conflicts(with delta: CompiledDelta) -> Bool {
        !delta.addedAddressClasses.isEmpty && !addressClasses.isEmpty
            || !delta.addedPortClasses.isEmpty && !portClasses.isEmpty
            || delta.addedEndpoints.contains { endpoints.contains($0) }
            || delta.addedRules.contains { rules.contains($0) }
    }

    mutating func add(_ delta: CompiledDelta) {
        addressClasses.formUnion(delta.removedAddressClasses)
        portClasses.formUnion(delta.removedPortClasses)
        endpoints.formUnion(delta.removedEndpoints)
        rules.formUnion(delta.removedRules)
        if !delta.changedEndpoints.isEmpty || !delta.removedPrograms.isEmpty { programs = true }
    }
}

// The value is noncopyable and `Generation`, its only reference, never leaves it: one thread at a time can use it.
extension EBPFDatapath: @unchecked Sendable {}
