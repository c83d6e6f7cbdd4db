// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit

/// Requests through the node's proxy, beside the same client and server directly over the node: latency on one kept-alive
/// connection, requests a second, and what they cost in processor time; how soon a policy change decides; memory; and what
/// steering costs the packets of other flows.
@Sendable func benchHTTP() throws {
    try benchSteeredHotPath()
    try benchSteeredLive()
    let bench = try RequestBench()
    defer { bench.close() }
    print("memory idle: \(try bench.memory())")
    try benchRequestLatency(bench)
    try benchRequestThroughput(bench)
    try benchRequestChange(bench)
    try benchManyConnections(bench)
}

/// The time of one small request on a kept-alive connection: the two ways take turns, a hundred requests each.
private func benchRequestLatency(_ bench: RequestBench) throws {
    var times: [RequestBench.Way: [Double]] = [:]
    let clients = try RequestBench.Way.allCases.map { ($0, try bench.client($0)) }
    for turn in 0...100 {
        for (way, client) in clients {
            let turns = try (0..<100).map { _ in Double(try client.ask("GET").nanoseconds) / 1000 }
            // The first turn warms up.
            if turn > 0 { times[way, default: []] += turns }
        }
    }
    let (direct, proxied) = (times[.direct] ?? [], times[.proxied] ?? [])
    print("one kept-alive connection, µs a request, p50 and p99 of \(direct.count) in turns:")
    for part in [0.5, 0.99] {
        let (first, second) = (direct.quantile(part), proxied.quantile(part))
        print(
            "  p\(Int(part * 100)): direct \(Int(first)), proxied \(Int(second)), +\(Int(second - first)) "
                + "(×\(shown(second / first)))" + (part == 0.5 ? " (target +250)" : ""))
    }
}

/// Requests a second on 32 kept-alive connections, and the processor time of a request by process.
private func benchRequestThroughput(_ bench: RequestBench) throws {
    var direct: [RequestLoad] = []
    var proxied: [RequestLoad] = []
    var unasked: [RequestLoad] = []
    for _ in 0..<5 {
        direct.append(try bench.load(.direct))
        proxied.append(try bench.load(.proxied))
        try bench.setAsking(false)
        unasked.append(try bench.load(.proxied))
        try bench.setAsking(true)
    }
    print("32 kept-alive connections, medians of 5 rounds in turns:")
    print("                             req/s  of direct  | µs of processor a request:")
    print("                                               |  client  server HAProxy decider     all")
    for (name, loads) in [
        ("direct", direct), ("proxied", proxied), ("proxied, nothing asked", unasked),
    ] {
        let parts = zip(loads, direct).map { $0.perSecond / $1.perSecond }
        let costs = [\RequestLoad.client, \.server, \.haproxy, \.decider, \.processor].map { cost in
            rightAligned(tenths(loads.map { $0[keyPath: cost] }.median), 8)
        }
        let rate = rightAligned("\(Int(loads.map(\.perSecond).median))", 28 - name.count)
        let part = rightAligned("\(Int((parts.median * 100).rounded())) %", 10)
        print("  \(name)\(rate)\(part)  |\(costs.joined())")
    }
    let decider = zip(proxied, unasked).map { $0.perSecond / $1.perSecond }.median
    let left = Int((decider * 100).rounded())
    print("  proxied over direct: target 40 %; the decider's question leaves \(left) % of what is proxied without it")
    // Other work on the machine changes the rates, each in its own way, but not this.
    let costs = zip(direct, proxied).map { $0.processor / $1.processor }.median
    print("  processor time of a direct request over a proxied one: \(Int((costs * 100).rounded())) %")
}

/// From a policy change on the daemon's socket to the last request that the old policy answered, on a kept-alive
/// connection that asks all the time.
private func benchRequestChange(_ bench: RequestBench) throws {
    let client = try bench.client(.proxied)
    let hammer = try RequestHammer(client)
    defer { hammer.stop() }
    var (sinceSent, sinceInForce): ([Double], [Double]) = ([], [])
    for round in 0..<60 {
        let status = round % 2 == 0 ? 403 : 200
        let sent = NetClock.now
        try bench.allow(methods: round % 2 == 0 ? ["POST"] : ["GET", "POST"])
        let inForce = NetClock.now
        let first = try hammer.firstAnswer(status, since: sent)
        sinceSent.append(Double(first - sent) / 1e6)
        sinceInForce.append(max(Double(first) - Double(inForce), 0) / 1e6)
    }
    print("policy change on the control socket to the first request that it answers, ms, p50 p99 worst of 60:")
    for (name, values) in [("sent", sinceSent), ("in force in the kernel", sinceInForce)] {
        let figures = [0.5, 0.99, 1].map { shown(values.quantile($0)) }
        print("  since \(name): \(figures.joined(separator: "  ")) (target 50)")
    }
}

/// What HAProxy and the decider hold after a thousand connections at once.
private func benchManyConnections(_ bench: RequestBench) throws {
    let load = try bench.load(.proxied, connections: 1000)
    print("1000 connections: \(Int(load.perSecond)) requests a second")
    print("memory at most: \(try bench.memory(atMost: true))")
}

private func rightAligned(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(width - text.count, 0)) + text
}

/// With one decimal.
func tenths(_ number: Double) -> String { "\((number * 10).rounded() / 10)" }
