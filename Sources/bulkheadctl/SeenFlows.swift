// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import LeastPrivilege
import NetworkTypes
import PolicyModel

/// Flows from lines of `bulkheadctl flows -o json`, of several nodes and times; what occurs again counts once.
struct SeenFlows {
    /// Distinct flows that are kept, and the longest line.
    private static let limits = (flows: 500_000, line: 1 << 20)

    /// Flows that were allowed.
    private(set) var allowed: Set<SeenFlow> = []
    /// Lines with flows.
    private(set) var lines = 0
    /// Lines with flows that were denied; nothing is made of them.
    private(set) var dropped = 0
    /// Lines that say how many flows are missing.
    private(set) var lost = 0
    private(set) var nodes: Set<String> = []
    /// The first and the last moment (RFC 3339).
    private(set) var times: ClosedRange<String>?

    /// - Throws: ``CommandFailure`` with file and line.
    mutating func read(_ path: String) throws {
        var splitter = LineSplitter()
        var number = 0
        var lastLength = 0
        func take(_ lines: [[UInt8]], _ flows: inout SeenFlows) throws {
            for line in lines {
                number += 1
                guard line.contains(where: { $0 > 32 }) else { continue }
                do {
                    try flows.add(line)
                } catch let failure as CommandFailure {
                    throw failure
                } catch {
                    throw CommandFailure(
                        "\(path):\(number): not a line of 'bulkheadctl flows -o json'")
                }
            }
        }
        try InputFile.forEachChunk(path) { chunk in
            lastLength = (chunk.lastIndex(of: UInt8(ascii: "\n")).map { chunk.count - $0 } ?? lastLength + chunk.count)
            guard lastLength <= Self.limits.line else { throw CommandFailure("\(path): a line is too long") }
            try take(splitter.take(chunk), &self)
        }
        // The last line may lack its end.
        try take(splitter.take([UInt8(ascii: "\n")]), &self)
    }

    /// One line.
    mutating func add(_ bytes: [UInt8]) throws {
        let line = try JSON.decode(FlowLine.self, from: bytes)
        if line.lostEvents != nil { lost += 1 }
        guard let flow = line.flow else { return }
        lines += 1
        nodes.insert(flow.nodeName)
        times = times.map { min($0.lowerBound, flow.time)...max($0.upperBound, flow.time) } ?? flow.time...flow.time
        guard flow.verdict != .dropped else {
            dropped += 1
            return
        }
        guard !flow.isReply, let seen = SeenFlow(flow) else { return }
        allowed.insert(seen)
        guard allowed.count <= Self.limits.flows else {
            throw CommandFailure("more than \(Self.limits.flows) distinct flows: give fewer files")
        }
    }
}

extension SeenFlow {
    /// Nil if the addresses cannot be read.
    fileprivate init?(_ flow: ObservedFlow) {
        guard let source = try? IPAddress(flow.ip.source), let destination = try? IPAddress(flow.ip.destination) else {
            return nil
        }
        func name(_ pod: ObservedFlow.Pod?) -> EndpointName? {
            pod.map { EndpointName(namespace: $0.namespace, name: $0.podName) }
        }
        let layer = flow.l4
        let ipProtocol: IPProtocol =
            layer?.tcp != nil
            ? .tcp
            : layer?.udp != nil
                ? .udp
                : layer?.sctp != nil
                    ? .sctp
                    : source.family == .ipv4 ? .icmp : .icmpv6
        self.init(
            from: End(source, pod: name(flow.source)), to: End(destination, pod: name(flow.destination)), ipProtocol,
            port: flow.ports?.destinationPort.flatMap { UInt16(exactly: $0) })
    }
}
