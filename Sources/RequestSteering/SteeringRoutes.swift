// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork

/// The rules and routes of a plan.
package struct SteeringRoutes: Sendable, Hashable {
    package var rules: Set<MarkRule> = []
    package var routes: Set<TableRoute> = []

    package init() {}

    /// The route to nowhere stays as long as anything is steered: if the proxy's interface goes, so does its route, and
    /// marked packets must not fall through to the main table.
    package init(_ plan: SteeringPlan) {
        let settings = plan.settings
        for family in plan.families {
            rules.insert(
                MarkRule(
                    family, priority: settings.priority, mark: settings.marks.toProxy, mask: settings.marks.mask,
                    table: settings.table))
            routes.insert(
                TableRoute(defaultOf: family, table: settings.table, .unreachable, metric: Self.lastMetric))
            if let proxy = plan.proxy, let address = proxy.address(family) {
                routes.insert(
                    TableRoute(
                        defaultOf: family, table: settings.table, .link(proxy.link, via: address),
                        metric: Self.metric))
            }
        }
    }

    /// Where the kernel checks IPv4 sources by marked packets (`src_valid_mark`, as WireGuard's tools set it), the way back
    /// to a client is not the way to the proxy. On a bridge the two look alike, and clients' packets arrive as well.
    ///
    /// - Parameter device: the one that leads to the proxy, and by which nothing arrives that must go there.
    package mutating func addWayBack(_ settings: SteeringSettings, by device: String) {
        rules.insert(
            MarkRule(
                .ipv4, priority: max(2, settings.priority) - 1, mark: settings.marks.toProxy, mask: settings.marks.mask,
                table: MarkRule.mainTable, input: device))
    }

    static let metric: UInt32 = 100
    static let lastMetric: UInt32 = .max
}

/// Makes the kernel's rules and routes those of a plan.
struct SteeringRouting: ~Copyable {
    private var routing: PolicyRouting

    init() throws(NodeNetworkError) { routing = try PolicyRouting() }

    /// What Bulkhead has added to the kernel, also for other settings than those of now.
    ///
    /// - Parameter table: a table that may have routes without a rule; nil for all tables.
    mutating func read(table: UInt32?) throws(NodeNetworkError) -> SteeringRoutes {
        var found = SteeringRoutes()
        for family in AddressFamily.allCases {
            do throws(NodeNetworkError) {
                let rules = try routing.rules(family, isOwn: true)
                found.rules.formUnion(rules)
                let own = rules.filter { $0.input == nil }.map(\.table)
                let tables = table.map { Set(own).union([$0]) }.map { $0.sorted().map(Optional.some) }
                for table in tables ?? [nil] {
                    found.routes.formUnion(try routing.routes(of: table, family, isOwn: true))
                }
            } catch .system(_, let code) where family == .ipv6 && Self.isWithoutFamily(code) {
                continue
            }
        }
        return found
    }

    /// Adds what is missing: routes before the rules that lead to them.
    ///
    /// - Returns: how many were missing.
    mutating func add(_ wanted: SteeringRoutes, to found: SteeringRoutes) throws(NodeNetworkError) -> Int {
        let (routes, rules) = (wanted.routes.subtracting(found.routes), wanted.rules.subtracting(found.rules))
        // The route to nowhere first: it is the last resort of the others.
        for route in routes.sorted(by: { $0.metric > $1.metric }) { try routing.set(route) }
        var count = routes.count
        for rule in rules where try routing.add(rule) { count += 1 }
        return count
    }

    /// Removes all others: rules before the routes to which they lead.
    mutating func remove(allBut wanted: SteeringRoutes, from found: SteeringRoutes) throws(NodeNetworkError) {
        for rule in found.rules.subtracting(wanted.rules) { try routing.remove(rule) }
        let isReplaced = Set(wanted.routes.map { SteeringKey($0) })
        for route in found.routes.subtracting(wanted.routes) where !isReplaced.contains(SteeringKey(route)) {
            try routing.remove(route)
        }
    }

    /// EAFNOSUPPORT and EOPNOTSUPP (asm-generic/errno.h): a kernel without IPv6.
    private static func isWithoutFamily(_ code: Int32) -> Bool { code == 97 || code == 95 }
}

/// By what the kernel tells routes of one table apart.
private struct SteeringKey: Hashable {
    var destination: CIDR
    var table: UInt32
    var metric: UInt32

    init(_ route: TableRoute) {
        destination = route.destination
        table = route.table
        metric = route.metric
    }
}
