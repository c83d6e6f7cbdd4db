// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ConnectionTracking
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

/// Settings of ``NFTablesDatapath``.
public struct NFTablesSettings: Sendable, Hashable {
    /// Whether denied packets are answered (TCP reset, ICMP administratively prohibited) instead of dropped silently.
    public var rejects: Bool
    /// Number of the nflog group on which dropped packets are reported; no other process may listen there.
    public var logGroup: UInt16
    /// Drop events reported in a second, all rules together.
    public var eventsPerSecond: UInt32

    public init(rejects: Bool = false, logGroup: UInt16 = 2112, eventsPerSecond: UInt32 = 200) {
        self.rejects = rejects
        self.logGroup = logGroup
        self.eventsPerSecond = max(eventsPerSecond, 1)
    }
}

/// Policy as one table `inet bulkhead`, in the network namespace of the thread that calls ``open()``. The table keeps
/// enforcing when this value or the process is gone; ``uninstall()`` removes it.
///
/// Each step of the compiler is one netfilter transaction: a packet sees the rules before it or after it.
public struct NFTablesDatapath: ~Copyable, Datapath {
    let settings: NFTablesSettings
    var tables: PolicyTables
    var socket: NetfilterSocket?
    var events: DropListener?
    /// Listens to new flows, while they are reported.
    var flowEvents: DropListener?
    /// The denied flows that were reported last.
    var repeats = RepeatedEvents()
    /// Places by address from an earlier run, until their endpoints are known.
    private var adoptedPlaces: [IPAddress: EndpointPlace] = [:]
    public private(set) var takeover = Takeover.nothing
    var revoked = RevokedConnections()
    /// Whether the kernel is known to hold the content of ``tables``, unless others changed it.
    private(set) var isInStep = false
    /// The ruleset's generation after this datapath's last transaction; nil once another transaction came between.
    private(set) var generation: UInt32?
    /// The comparison that runs; nil between two of them.
    var comparison: TableComparison?
    /// Whether flows that policy no longer allows may still be established.
    var owesRevocation = false

    /// Nothing is opened yet.
    public init(settings: NFTablesSettings = NFTablesSettings()) {
        self.settings = settings
        tables = PolicyTables(options: TableOptions(settings))
    }

    public mutating func open() throws(DatapathError) -> Numbering {
        let socket = try NetfilterSocket()
        self.socket = socket
        let marks = tables.marks
        tables = PolicyTables(options: TableOptions(settings))
        _ = tables.set(marks: marks)
        isInStep = false
        generation = nil
        let reader = TableReader(TableName.table, socket)
        takeover = Self.takeover(try reader.read(), tables.contents)
        if takeover == .nothing { try createTable() }
        events = try DropListener(group: settings.logGroup)
        adoptedPlaces = try reader.places()
        // They stay denied until it is known which of them policy denies.
        _ = tables.set(revoked: try reader.revoked())
        return try reader.numbering()
    }

    public mutating func resync(_ policy: borrowing CompiledPolicy) throws(DatapathError) -> ProgramReport {
        // What the kernel holds unless others have changed it; policy may have changed since.
        let before = isInStep ? tables.contents : nil
        isInStep = false
        var inputs = TableInputs(tables)
        inputs.options = TableOptions(settings)
        inputs.places = knownPlaces(policy)
        tables = inputs.tables(for: policy)
        let socket = try opened()
        var report = ProgramReport()
        // The next comparison finds changes by others from here on.
        generation = try TableReader.generation(socket)
        let kernel = try reader().read()
        let step = try Transaction.difference(from: kernel, to: tables.contents, socket)
        if !step.isEmpty {
            if let before {
                let repair =
                    before == tables.contents
                    ? step : try Transaction.difference(from: kernel, to: before, socket)
                report.repaired = repair.count
                report.repairs = repair.repairs(limit: ComparedPart.namedLimit)
            }
            report.rebuilt = step.replacesTable
            report.wordsWritten = try commitOrReplace(step)
        }
        isInStep = true
        // If nothing has changed, nothing that policy denies can be established.
        if before == nil || !step.isEmpty || owesRevocation { try revoke(policy) }
        return report
    }

    private static func takeover(_ found: KernelTable?, _ contents: TableContents) -> Takeover {
        guard let missing = found?.missingEntries(of: contents) else { return .nothing }
        return missing.isEmpty ? .whole : .part(missing)
    }

    public static var isExposed: Bool { true }

    /// The table's hooks have no other way to learn the port.
    public static var needsPortMarks: Bool { true }

    /// Whether no other transaction has changed the ruleset of this network namespace since this datapath's last one.
    /// If one has, ``resync(_:)`` finds out whether it changed Bulkhead's table. Takes microseconds.
    public func isUntouched() throws(DatapathError) -> Bool {
        guard isInStep, let generation else { return false }
        return try TableReader.generation(opened()) == generation
    }

    public func checkPlace() throws(DatapathError) {
        guard try reader().exists() else { throw .missing("the nftables table \(TableName.table)") }
    }

    public mutating func program(
        _ delta: CompiledDelta, of policy: borrowing CompiledPolicy
    ) throws(DatapathError) -> ProgramReport {
        guard isInStep, let step = tables.plan(delta, of: policy) else {
            // The plan is half changed: it no longer describes the kernel's content.
            isInStep = false
            return try resync(policy)
        }
        var report = ProgramReport()
        if !step.isEmpty {
            do {
                report.wordsWritten = try commit(step)
            } catch {
                // The table is not as this datapath left it: a comparison finds whatever is missing or in the way. The
                // step may be in force although its acknowledgment was lost: flows are revoked whatever differs.
                return try resync(policy)
            }
        }
        if tables.mayHaveShrunk || owesRevocation {
            try revoke(policy)
        } else if revoked.forgetAllowed(by: policy) {
            try writeRevoked()
        }
        return report
    }

    public mutating func setPlace(_ place: EndpointPlace?, of endpoint: EndpointID) throws(DatapathError) {
        let step = tables.setPlace(place, of: endpoint)
        guard isInStep, !step.isEmpty else { return }
        try commit(step)
    }

    public mutating func setTunnels(_ tunnels: TunnelGuard) throws(DatapathError) {
        let step = tables.set(tunnels: tunnels)
        guard isInStep, !step.isEmpty else { return }
        try commit(step)
    }

    public mutating func setSteeringMarks(_ marks: SteeringMarks) throws(DatapathError) {
        guard marks != tables.marks else { return }
        let step = tables.set(marks: marks)
        // Connections that the proxy's marks protect are others now.
        owesRevocation = true
        guard isInStep, !step.isEmpty else { return }
        try commit(step)
    }

    /// Forgets connections that have been denied for long enough. No other wait is needed: the kernel frees what a
    /// transaction removed.
    public mutating func reclaim() throws(DatapathError) {
        guard isInStep, !revoked.isEmpty else { return }
        if try revoked.removeExpired(opened(), now: HoldClock.now) { try writeRevoked() }
    }

    /// Removes the table from the network namespace of the calling thread, and with it all enforcement.
    ///
    /// - Returns: what was removed, by name; empty if there was nothing.
    @discardableResult public static func uninstall() throws(DatapathError) -> [String] {
        let installed = try installed()
        try TableName.table.remove(NetfilterSocket())
        return installed
    }

    /// Throws if the table exists and a process in this network namespace holds it open: that process would restore
    /// what is removed.
    public static func checkUnused(settings: NFTablesSettings = NFTablesSettings()) throws(DatapathError) {
        guard try !installed().isEmpty else { return }
        // The process that enforces by the table listens.
        _ = try DropListener(group: settings.logGroup)
    }

    /// What of this datapath is in the kernel: the table's name, or nothing.
    public static func installed() throws(DatapathError) -> [String] {
        try TableReader(TableName.table, NetfilterSocket()).exists() ? ["nftables table \(TableName.table)"] : []
    }

    func opened() throws(DatapathError) -> NetfilterSocket {
        guard let socket else { throw .unsupported(what: "datapath not open", remedy: "call open() first") }
        return socket
    }

    func reader() throws(DatapathError) -> TableReader { TableReader(TableName.table, try opened()) }

    /// Commits a step; returns how many 32-bit words were written. After a failure the table is no longer known to be
    /// in step.
    @discardableResult mutating func commit(_ step: Transaction) throws(DatapathError) -> Int {
        var words = 0
        for part in step.parts { words += try commit(part: part) }
        return words
    }

    private mutating func commit(part step: Transaction) throws(DatapathError) -> Int {
        let socket = try opened()
        let wasInStep = isInStep
        isInStep = false
        let before = generation
        generation = nil
        let byteCount = try socket.commit(step, to: TableName.table)
        // This commit is one generation; any other one, before or after it, was another process's.
        let after = try TableReader.generation(socket)
        if let before, after == before &+ 1 { generation = after }
        isInStep = wasInStep
        return byteCount / 4
    }

    private mutating func createTable() throws(DatapathError) {
        do throws(DatapathError) {
            try commit(Transaction(replacing: tables.contents))
        } catch {
            guard let lack = error.lack else { throw error }
            throw .unsupported(
                what: "nftables, to \(lack.operation) (errno \(lack.code))",
                remedy:
                    "a kernel of 5.10 or later with NF_TABLES_INET, NFT_CT, NFT_LOG, NFT_LIMIT, NFT_REJECT_INET and "
                    + "NETFILTER_NETLINK_LOG")
        }
    }

    /// If the difference cannot be written, because another process writes into the table at this moment or has left
    /// something that cannot be removed, the table is written from scratch.
    private mutating func commitOrReplace(_ step: Transaction) throws(DatapathError) -> Int {
        do {
            return try commit(step)
        } catch {
            guard !step.replacesTable else { throw error }
            return try commit(Transaction(replacing: tables.contents))
        }
    }

    private mutating func knownPlaces(_ policy: borrowing CompiledPolicy) -> [EndpointID: EndpointPlace] {
        var places = tables.places.filter { policy.endpoints[$0.key] != nil }
        let adopted = adoptedPlaces
        for (id, endpoint) in policy.endpoints where places[id] == nil {
            guard let place = endpoint.addresses.lazy.compactMap({ adopted[$0] }).first else { continue }
            places[id] = place
        }
        adoptedPlaces = [:]
        return places
    }
}

extension TableOptions {
    init(_ settings: NFTablesSettings) {
        self.init(
            rejects: settings.rejects, logGroup: settings.logGroup, eventsPerSecond: settings.eventsPerSecond)
    }
}
