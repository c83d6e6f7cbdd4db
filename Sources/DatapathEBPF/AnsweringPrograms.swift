// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import CompiledPolicy
import Datapath
import Glibc
import NetworkTypes
import PolicyModel

/// The same programs once more, never attached: they judge the packets of questions by the tables in force, but count
/// and report into maps of their own. bpf/README.md says how an answer is found.
///
/// Their map `counters` is a hash, empty at first. A rule without a counter ends the run, and the event names the rule
/// and the direction. With the counter added, the next run goes one rule further.
struct AnsweringPrograms: ~Copyable {
    private var held = HeldObjects()
    private let ring: OpaquePointer
    /// The programs in force have counters for the numbers below, and drop a packet that meets another one.
    private let ruleLimit: UInt32

    /// Maps of the tables in force. No packet of a question begins a connection, so none writes a flow.
    static let shared = ["tables", "keys", "tunnel_nodes", Generation.flowsName]
    /// A page: a run reports two events at most.
    private static let ringBytes = 4096
    /// A flow meets one rule in each direction.
    private static let countersMax: UInt32 = 4

    /// - Parameter maps: descriptors of ``shared``, by name.
    init(over maps: [String: Int32], _ capacities: Capacities) throws(DatapathError) {
        // The kernel rounds rings up to pages.
        let ringBytes = max(Self.ringBytes, sysconf(Int32(_SC_PAGESIZE)))
        let object = try LoadedObject.load(EmbeddedObjects.bulkhead) { name, map in
            if let shared = maps[name] { return bpf_map__reuse_fd(map, shared) }
            return Self.size(name, map, capacities, ringBytes)
        }
        for name in ["counters", "events"] { held.hold(try object.map(name), as: name) }
        for name in PacketHook.programs { held.hold(try object.program(name), as: name) }
        guard let ring = bh_ring_open(held.raw("events"), ringBytes) else {
            throw .system(operation: "mapping the buffer of answers", code: errno, detail: "")
        }
        self.ring = ring
        ruleLimit = capacities.rules
    }

    deinit { bh_ring_close(ring) }

    private static func size(
        _ name: String, _ map: OpaquePointer, _ capacities: Capacities, _ ringBytes: Int
    ) -> Int32 {
        switch name {
        case "counters":
            let code = bpf_map__set_type(map, BPF_MAP_TYPE_HASH)
            return code == 0 ? bpf_map__set_max_entries(map, countersMax) : code
        case "events": return bpf_map__set_max_entries(map, UInt32(ringBytes))
        // What limits events is not used for answers.
        case "seen_flows": return bpf_map__set_max_entries(map, 1)
        default:
            guard name.hasSuffix(".rodata") else { return 0 }
            var constants = bh_constants(table_words: capacities.words, only_answers: 1)
            return bpf_map__set_initial_value(map, &constants, MemoryLayout<bh_constants>.size)
        }
    }

    /// The program's descriptor, which remains owned by this value.
    func program(at hook: PacketHook, _ family: AddressFamily) -> Int32 { held.raw(hook.program(family)) }

    // MARK: Asking

    /// What a run without end says about a packet.
    struct Finding {
        var verdict: Verdict
        /// What the programs reported, in order.
        var events: [bh_event] = []
        /// The rule of each direction that decided or would deny.
        var rules: [Direction: RuleID] = [:]
    }

    /// Runs a program over a packet until it meets no rule that has not been met.
    func judge(
        _ packet: QuestionPacket, _ family: AddressFamily, _ hook: PacketHook
    ) throws(DatapathError) -> Finding {
        var met: [UInt32] = []
        defer { for rule in met { removeCounter(rule) } }
        var rules: [Direction: RuleID] = [:]
        while true {
            for rule in met { try setCounter(rule) }
            while nextEvent() != nil {}
            let verdict = try runProgram(
                program(at: hook, family), packet: packet.bytes, family: family, repeats: 1, hook: hook
            ).verdict
            var finding = Finding(verdict: verdict)
            while let event = nextEvent() { finding.events.append(event) }
            if let last = finding.events.last, UInt32(last.cause) == BH_CAUSE_INCONSISTENT.rawValue,
                !met.contains(last.rule), last.rule < ruleLimit, met.count < Int(Self.countersMax)
            {
                met.append(last.rule)
                rules[last.judgedDirection] = RuleID(rawValue: last.rule)
                continue
            }
            finding.rules = rules
            try addRepeated(&finding)
            return finding
        }
    }

    /// One rule may decide both directions; it is met once.
    private func addRepeated(_ finding: inout Finding) throws(DatapathError) {
        guard let rule = finding.rules[.egress], rule != .noPolicy, finding.rules[.ingress] == nil else { return }
        if try count(of: rule.rawValue) > 1 { finding.rules[.ingress] = rule }
    }

    private func nextEvent() -> bh_event? {
        var event = bh_event()
        return bh_ring_next(ring, &event, MemoryLayout<bh_event>.size) == 1 ? event : nil
    }

    private func setCounter(_ rule: UInt32) throws(DatapathError) {
        var (key, value) = (rule, bh_counter())
        guard bpf_map_update_elem(held.raw("counters"), &key, &value, UInt64(BPF_ANY)) == 0 else {
            throw .system(operation: "preparing the counter of an answer", code: errno, detail: "")
        }
    }

    private func count(of rule: UInt32) throws(DatapathError) -> UInt64 {
        var (key, value) = (rule, bh_counter())
        guard bpf_map_lookup_elem(held.raw("counters"), &key, &value) == 0 else {
            throw .system(operation: "reading the counter of an answer", code: errno, detail: "")
        }
        return value.packets
    }

    private func removeCounter(_ rule: UInt32) {
        var key = rule
        bpf_map_delete_elem(held.raw("counters"), &key)
    }
}

extension bh_event {
    /// The direction whose program reports.
    var judgedDirection: Direction { UInt32(direction) == BH_EGRESS.rawValue ? .egress : .ingress }
}

// The value is noncopyable, and nothing else knows its ring and descriptors: one thread at a time can use it.
extension AnsweringPrograms: @unchecked Sendable {}
