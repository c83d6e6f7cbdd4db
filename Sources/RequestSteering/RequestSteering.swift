// SPDX-License-Identifier: Apache-2.0
import GracePeriod
import KernelErrors
import Netfilter
import NetworkTypes
import NodeNetwork

/// Steers flows to the node's proxy pod: tables, rules and routes in the network namespace of the thread that calls
/// ``set(_:)``. They stay when this value or the process is gone; ``uninstall()`` removes them, and ``repair()``
/// repairs them.
///
/// Packets are never marked without a rule and a route for them: routes come before marks, and go after them.
public struct RequestSteering: ~Copyable {
    private var socket: NetfilterSocket?
    private var packets = KeptTable(SteeringTable.identity)
    private var frames = KeptTable(SteeringBridgeTable.identity)
    /// What the kernel was given last; nil: unknown.
    private var plan: SteeringPlan?

    /// Nothing is opened yet.
    public init() {}

    /// Programs the kernel. An earlier run's steering is taken over or removed.
    public mutating func set(_ wanted: SteeringPlan) throws(SteeringError) {
        guard wanted != plan else { return }
        plan = nil
        let socket = try open()
        do throws(KernelError) {
            guard let proxy = wanted.proxy, !wanted.ports.isEmpty else {
                try stop(wanted, socket)
                plan = wanted
                return
            }
            try route(wanted, keepsOthers: true)
            try Self.loosen(wanted)
            if wanted.bridges.isEmpty {
                try frames.remove(socket)
            } else {
                try frames.set(SteeringBridgeTable(plan: wanted, proxy: proxy).contents, socket)
            }
            try packets.set(SteeringTable(plan: wanted).contents, socket)
            // Packets that the table before had marked have been routed.
            PacketsUnderWay.wait()
            try route(wanted)
            plan = wanted
        } catch {
            throw SteeringError(error)
        }
    }

    /// Nothing is marked any more. Where ports stay that need a proxy, connections that one has begun stay closed to others.
    private mutating func stop(_ wanted: SteeringPlan, _ socket: NetfilterSocket) throws(KernelError) {
        if wanted.ports.isEmpty {
            try packets.remove(socket)
        } else {
            try packets.set(SteeringTable(plan: wanted).contents, socket)
            PacketsUnderWay.wait()
        }
        try frames.remove(socket)
        try route(wanted)
    }

    /// Repairs what others have changed in tables, rules and routes, or removed.
    ///
    /// - Returns: how many things were repaired.
    public mutating func repair() throws(SteeringError) -> Int {
        guard let plan, let socket else { return 0 }
        do throws(KernelError) {
            // A route may be missing because the proxy's interface is down; the tables do not wait for it.
            var count = 0
            if try frames.repair(socket) { count += 1 }
            if try packets.repair(socket) { count += 1 }
            if try Self.loosen(plan) { count += 1 }
            return try count + route(plan)
        } catch {
            throw SteeringError(error)
        }
    }

    /// Packets that were dropped because the way to the proxy was gone; 0 if nothing is steered.
    public func lost() -> UInt64 { packets(SteeringTable.Name.lost) }

    /// Packets that were dropped because they were not from an end of the proxy's connections; 0 if nothing is steered.
    public func foreign() -> UInt64 { packets(SteeringTable.Name.foreign) }

    private func packets(_ counter: String) -> UInt64 {
        guard packets.contents != nil, let socket,
            let objects = try? TableReader(SteeringTable.identity, socket).objects()
        else { return 0 }
        return objects.first { $0.0 == counter }?.1.counter.packets ?? 0
    }

    /// Makes rules and routes those of the plan.
    ///
    /// - Returns: how many were missing.
    @discardableResult
    private func route(_ plan: SteeringPlan, keepsOthers: Bool = false) throws(KernelError) -> Int {
        do throws(NodeNetworkError) {
            var routing = try SteeringRouting()
            let (wanted, found) = (Self.routes(plan), try routing.read(table: plan.settings.table))
            let count = try routing.add(wanted, to: found)
            if !keepsOthers { try Self.remove(allBut: wanted, from: found, &routing) }
            return count
        } catch {
            throw KernelError(error)
        }
    }

    /// - Returns: whether the kernel would have dropped what the proxy sends.
    @discardableResult private static func loosen(_ plan: SteeringPlan) throws(KernelError) -> Bool {
        guard let proxy = plan.proxy, !plan.ports.isEmpty else { return false }
        do throws(NodeNetworkError) {
            return try SourceValidation.loosen(proxy.link)
        } catch {
            throw KernelError(error)
        }
    }

    private static func routes(_ plan: SteeringPlan) -> SteeringRoutes {
        var routes = SteeringRoutes(plan)
        if let proxy = plan.proxy, proxy.port == nil, plan.families.contains(.ipv4),
            let device = SourceValidation.name(proxy.link)
        {
            routes.addWayBack(plan.settings, by: device)
        }
        return routes
    }

    private static func remove(
        allBut wanted: SteeringRoutes, from found: SteeringRoutes, _ routing: inout SteeringRouting
    ) throws(NodeNetworkError) {
        for link in found.links.subtracting(wanted.links) { SourceValidation.restore(link) }
        try routing.remove(allBut: wanted, from: found)
    }

    /// Removes everything from the network namespace of the calling thread, whatever the settings were: marks first,
    /// then the rules and routes.
    ///
    /// - Returns: what was removed, by name; empty if there was nothing.
    @discardableResult public static func uninstall() throws(SteeringError) -> [String] {
        let installed = try installed()
        guard !installed.isEmpty else { return [] }
        do throws(KernelError) {
            let socket = try NetfilterSocket()
            for table in [SteeringTable.identity, SteeringBridgeTable.identity] { try table.remove(socket) }
            do throws(NodeNetworkError) {
                var routing = try SteeringRouting()
                try remove(allBut: SteeringRoutes(), from: try routing.read(table: nil), &routing)
            } catch {
                throw KernelError(error)
            }
        } catch {
            throw SteeringError(error)
        }
        return installed
    }

    /// What is in the kernel: names of tables, rules and routes.
    public static func installed() throws(SteeringError) -> [String] {
        do throws(KernelError) {
            let socket = try NetfilterSocket()
            var names: [String] = []
            for table in [SteeringTable.identity, SteeringBridgeTable.identity]
            where try TableReader(table, socket).exists() {
                names.append("nftables table \(table)")
            }
            do throws(NodeNetworkError) {
                var routing = try SteeringRouting()
                let found = try routing.read(table: nil)
                names += found.rules.map { "routing rule \($0)" }.sorted()
                names += found.routes.map { "route \($0)" }.sorted()
            } catch {
                throw KernelError(error)
            }
            return names
        } catch {
            throw SteeringError(error)
        }
    }

    private mutating func open() throws(SteeringError) -> NetfilterSocket {
        if let socket { return socket }
        do throws(KernelError) {
            let opened = try NetfilterSocket()
            socket = opened
            return opened
        } catch {
            throw SteeringError(error)
        }
    }
}

/// Why flows cannot be steered. Policy then denies those that need the proxy.
public struct SteeringError: Error, Sendable, Hashable, CustomStringConvertible {
    public let cause: KernelError

    init(_ error: KernelError) {
        guard let lack = error.lack else {
            cause = error
            return
        }
        cause = .unsupported(
            what: "nftables, to \(lack.operation) (errno \(lack.code))",
            remedy: "a kernel with NF_TABLES_INET, NFT_CT and, for pods behind bridges, NF_TABLES_BRIDGE")
    }

    public var description: String { "flows cannot be handed to the request proxy: \(cause)" }
}

extension SteeringRoutes {
    /// The links that lead to the proxy.
    fileprivate var links: Set<UInt32> {
        Set(routes.compactMap { if case .link(let link, _) = $0.target { link } else { nil } })
    }
}

extension KernelError {
    fileprivate init(_ error: NodeNetworkError) {
        switch error {
        case .system(let operation, let code): self = .system(operation: operation, code: code, detail: "")
        case .truncated, .invalid: self = .corrupt("\(error)")
        }
    }
}
