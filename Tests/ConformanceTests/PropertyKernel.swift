// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import KubernetesObjects
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel
import PolicyOracle
import PolicyPipeline
import WorldKit

/// The eBPF program in the kernel, asked under `BPF_PROG_TEST_RUN`: nothing is sent.
struct PropertyKernel: ~Copyable {
    private var datapath: EBPFDatapath
    let bpffs: String
    private var numbering = Numbering()
    private var starts = 0

    /// Runs `body` on a thread of its own, in a network namespace of its own, with a bpffs of its own. Needs root.
    static func run<Value>(_ body: (inout PropertyKernel) throws -> Value) throws -> Value {
        try NetWorld.with(pods: []) { net in
            try net.node.run {
                var kernel = try PropertyKernel(bpffs: net.bpffs)
                return try body(&kernel)
            }
        }
    }

    private init(bpffs: String) throws {
        self.bpffs = bpffs
        datapath = EBPFDatapath(bpffs: bpffs)
    }

    /// Programs a world from scratch over whatever is in force. Every tenth time it first opens what is pinned, like a
    /// restarted daemon.
    mutating func start(_ world: World) throws -> PolicyPipeline {
        if starts % 10 == 0 {
            datapath = EBPFDatapath(bpffs: bpffs)
            numbering = try datapath.open()
        }
        starts += 1
        let pipeline = PropertyComparison.pipeline(world, numbering: numbering)
        _ = try datapath.resync(pipeline.compiled)
        numbering = Numbering(pipeline.compiled)
        return pipeline
    }

    /// Lets go of the tables, which go on deciding.
    mutating func close() { datapath = EBPFDatapath(bpffs: bpffs) }

    /// Opens what is pinned, writing nothing.
    mutating func open() throws {
        close()
        numbering = try datapath.open()
    }

    /// Packets that met inconsistent tables.
    func inconsistentPackets() throws -> UInt64 { try datapath.counters().inconsistent }

    /// What a daemon does that starts again over the tables of the one before.
    mutating func restart(_ world: World) throws -> (ProgramReport, PolicyPipeline) {
        datapath = EBPFDatapath(bpffs: bpffs)
        var pipeline = PolicyPipeline(
            nodeName: world.nodeName, numbering: try datapath.open(), settings: PropertyComparison.settings(world))
        pipeline.ingest(localAddresses: world.settings.localAddresses)
        pipeline.ingest(world.events)
        _ = pipeline.apply([])
        let report = try datapath.resync(pipeline.compiled)
        pipeline.releaseNumbering()
        numbering = Numbering(pipeline.compiled)
        return (report, pipeline)
    }

    /// Applies events to the pipeline and programs what they changed.
    mutating func step(_ events: [ObjectEvent], _ pipeline: inout PolicyPipeline) throws {
        let delta = pipeline.apply(events)
        _ = try datapath.program(delta, of: pipeline.compiled)
        numbering = Numbering(pipeline.compiled)
    }

    /// What an agent does when idle: merges what the last step left apart, and frees what is retired.
    mutating func rest(_ pipeline: inout PolicyPipeline) throws {
        if pipeline.needsSettling {
            let delta = pipeline.settle()
            _ = try datapath.program(delta, of: pipeline.compiled)
            numbering = Numbering(pipeline.compiled)
        }
        try datapath.reclaim()
    }

    /// The verdict on a packet; nil where the kernel does not run packets so short.
    func verdict(_ bytes: [UInt8], _ family: AddressFamily) throws -> Verdict? {
        guard bytes.count >= (family == .ipv4 ? 20 : 40) else { return nil }
        return try datapath.testRun(packet: bytes, family: family).verdict
    }

    /// What differs between oracle, tables and kernel for one flow, asked with these bytes.
    func difference(
        _ oracle: OracleVerdict, _ compiled: borrowing CompiledPolicy, _ flow: Flow, _ bytes: [UInt8]
    ) throws -> String? {
        if let difference = PropertyComparison.difference(oracle, compiled.evaluate(flow)) { return difference }
        let found = try verdict(bytes, flow.source.family)
        if compiled.isOwnNode(flow.source) {
            // What the node sends is never forwarded.
            return found == .deny ? nil : "kernel lets \(flow) pass, which cannot be from the node"
        }
        if found?.rawValue == oracle.verdict.rawValue { return nil }
        return "oracle and tables say \(oracle); kernel says \(found?.rawValue ?? "nothing") of \(bytes)"
    }
}

extension CompiledPolicy {
    /// Whether the tables know the address as the node's own: a packet that is forwarded cannot be from it.
    func isOwnNode(_ address: IPAddress) -> Bool {
        let source = addresses.entry(of: address).addressClass
        return source != .none && source.rawValue < AddressClassID.ownNodeLimit
    }
}

extension WorldRandom {
    /// A packet of the flow that every reader must understand: at times with options or a few extension headers.
    mutating func plainPacket(of flow: Flow) -> [UInt8] {
        guard chance(percent: 25) else { return Packet(flow: flow).bytes }
        var packet = packet(of: flow)
        packet.fragment = nil
        // More than a few are for the fuzz tests, and so is what hides the transport header.
        packet.extensions = Array(packet.extensions.prefix(6))
        packet.extensions.removeAll { if case .other = $0 { true } else { false } }
        packet.removeOffenses()
        return packet.bytes
    }
}

extension Packet {
    /// Takes out what no endpoint may send, whatever policy says: source routes, redirects, router advertisements.
    fileprivate mutating func removeOffenses() {
        options = options.map { $0 & 0x7f }
        extensions.removeAll {
            switch $0 {
            case .routing, .authentication: true
            default: false
            }
        }
        guard case .icmp(let type, let code, let rest) = content, [5, 134, 137].contains(type) else { return }
        content = .icmp(type: type - 1, code: code, rest: rest)
    }
}

extension Numbering {
    /// The numbers that these tables use.
    init(_ compiled: CompiledPolicy) {
        self.init()
        for (id, rule) in compiled.rules { rules[rule.key] = id }
        for (id, addressClass) in compiled.addressClasses { addressClasses[addressClass.key] = id }
        for (id, program) in compiled.programs { programs[program.key] = id }
        for (id, endpoint) in compiled.endpoints { endpoints[endpoint.key] = id }
        portSegments = compiled.portSegments
    }
}
