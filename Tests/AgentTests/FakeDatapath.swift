// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Dispatch
import PolicyModel
import Synchronization

/// A kernel that only writes down what it is asked, and fails when told to.
struct FakeDatapath: Datapath, ~Copyable {
    let kernel: FakeKernel

    init(_ kernel: FakeKernel) { self.kernel = kernel }

    mutating func open() throws(DatapathError) -> Numbering {
        try kernel.note("open")
        return kernel.state.withLock { $0.numbering }
    }

    var takeover: Takeover { kernel.state.withLock { $0.takeover } }

    mutating func resync(_ policy: borrowing CompiledPolicy) throws(DatapathError) -> ProgramReport {
        try kernel.note("resync")
        kernel.noteResync()
        var report = kernel.programmed(copy policy)
        report.repaired = kernel.takeChanges()
        let name = kernel.state.withLock { $0.nameOfChanges }
        report.repairs = (0..<report.repaired).map { "\(name) \($0)" }
        return report
    }

    mutating func program(
        _ delta: CompiledDelta, of policy: borrowing CompiledPolicy
    ) throws(DatapathError) -> ProgramReport {
        try kernel.note("program")
        return kernel.programmed(copy policy)
    }

    mutating func setPlace(_ place: EndpointPlace?, of endpoint: EndpointID) throws(DatapathError) {
        try kernel.note("setPlace \(endpoint.rawValue) \(place?.interfaces.first?.name ?? "-")")
    }

    mutating func reclaim() throws(DatapathError) { try kernel.note("reclaim") }

    mutating func setListening(_ isOn: Bool) throws(DatapathError) { try kernel.note("listening \(isOn)") }

    mutating func setFlows(_ limit: FlowLimit?) throws(DatapathError) {
        try kernel.note("flows \(limit?.perSecond ?? 0) \(limit?.burst ?? 0)")
    }

    /// Fails while calls that write do, and is none of them.
    func ruleCounters() throws(DatapathError) -> [RuleID: RuleCounter] {
        let (fails, counters) = kernel.state.withLock { ($0.failures > 0, $0.counters) }
        if fails { throw FakeKernel.failure }
        return counters
    }

    mutating func restartCounters(of rules: [RuleID]) throws(DatapathError) {
        try kernel.note("restart \(rules.map { "\($0.rawValue)" }.joined(separator: " "))")
        let fails = kernel.state.withLock { state in
            if state.failures == 0 { for rule in rules { state.counters[rule] = nil } }
            return state.failures > 0
        }
        if fails { throw FakeKernel.failure }
    }

    /// Never fails: the status asks for it whatever else fails.
    func counters() throws(DatapathError) -> DatapathCounters {
        var counters = DatapathCounters()
        counters.spoofed = 7
        counters.flowsLeftOut = kernel.state.withLock { $0.flowsLeftOut }
        return counters
    }

    mutating func pollEvents(limit: Int) -> [DropEvent] {
        kernel.state.withLock { state in
            state.polls += 1
            let taken = Array(state.events.prefix(limit))
            state.events.removeFirst(taken.count)
            return taken
        }
    }

    func checkPlace() throws(DatapathError) {
        if kernel.state.withLock({ $0.isGone }) { throw FakeKernel.gone }
    }

    func tableUse() -> [TableUse] { [TableUse(table: "fake", used: 3, limit: 10)] }

    func dump() throws(DatapathError) -> String {
        try kernel.fail()
        return "fake tables"
    }

    mutating func repair() -> RepairReport { kernel.takeRepair() }

    /// Answers by the policy that was programmed last, or by its lie.
    mutating func ask(_ questions: [KernelQuestion]) throws(DatapathError) -> [KernelAnswer] {
        let (policy, failure) = kernel.asked()
        if let failure { throw failure }
        return questions.map { question in
            let decision = policy.evaluate(question.flow)
            guard question.way == .forwarded, !decision.isSelf else { return KernelAnswer(verdict: .allow) }
            var answer = KernelAnswer(verdict: decision.verdict)
            answer.rules[.egress] = decision.egress?.rule
            if decision.egress?.verdict != .deny { answer.rules[.ingress] = decision.ingress?.rule }
            let trace = policy.trace(question.flow)
            for side in [trace.egress, trace.ingress].compactMap(\.self) {
                if let cell = side.cell, cell.wouldDeny { answer.wouldDeny[side.direction] = cell.rule }
            }
            return answer
        }
    }

    mutating func preparationToAsk() -> (@Sendable () -> Void)? {
        guard kernel.state.withLock({ !$0.isPrepared }) else { return nil }
        return { [kernel] in kernel.prepare() }
    }

    mutating func compareNext(with policy: borrowing CompiledPolicy) throws(DatapathError) -> ComparedPart {
        kernel.state.withLock { $0.parts.isEmpty ? .finished(differences: []) : $0.parts.removeFirst() }
    }

    static var isExposed: Bool { true }
    func isUntouched() throws(DatapathError) -> Bool { kernel.state.withLock { $0.changedByOthers == 0 } }
}

/// What a ``FakeDatapath`` has been asked, and what it is to do.
final class FakeKernel: Sendable {
    struct State {
        var calls: [String] = []
        /// What a previous run has left.
        var numbering = Numbering()
        var takeover = Takeover.nothing
        /// Writing calls that fail before one succeeds.
        var failures = 0
        var policy = CompiledPolicy()
        var events: [DropEvent] = []
        var counters: [RuleID: RuleCounter] = [:]
        var flowsLeftOut: UInt64 = 0
        /// How often events were fetched.
        var polls = 0
        /// Whether others have removed what enforces.
        var isGone = false
        /// What the next look for repairs finds.
        var repair = RepairReport()
        /// Changes that the next resync must repair.
        var changedByOthers = 0
        var nameOfChanges = "fake change"
        /// What it answers by instead of the policy that was programmed.
        var lie: CompiledPolicy?
        /// Whether the lie outlives a resync.
        var insists = false
        /// Why it cannot be asked.
        var askFailure: DatapathError?
        /// Calls of `ask`.
        var asks = 0
        /// Whether it can be asked at once; if not, what makes it ready waits for the gate.
        var isPrepared = true
        /// Whether it is not ready again as soon as it is.
        var isNeverPrepared = false
        /// Whether each resync replaces the tables, so that it must be made ready again.
        var replacesTables = false
        /// How often it had been asked at each resync.
        var asksBeforeResyncs: [Int] = []
        /// What the next steps of comparisons come to.
        var parts: [ComparedPart] = []
    }

    let state = Mutex(State())
    /// Opens for what takes long elsewhere, once for each signal.
    let gate = DispatchSemaphore(value: 0)

    /// Makes it ready to be asked.
    fileprivate func prepare() {
        state.withLock { $0.calls.append("prepare") }
        gate.wait()
        state.withLock { state in
            state.calls.append("prepared")
            state.isPrepared = !state.isNeverPrepared
        }
    }

    /// What takes long elsewhere, for ``State/parts``.
    func slowPart() -> ComparedPart {
        .elsewhere { [self] in
            state.withLock { $0.calls.append("compare") }
            gate.wait()
            state.withLock { $0.calls.append("compared") }
        }
    }

    static let gone = DatapathError.missing("the fake table")
    static let failure = DatapathError.system(operation: "write", code: 12, detail: "told to fail")

    var calls: [String] { state.withLock { $0.calls } }
    var policy: CompiledPolicy { state.withLock { $0.policy } }

    func changeByOthers(_ count: Int) { state.withLock { $0.changedByOthers = count } }

    /// A repair is reported once, a failure until it is withdrawn.
    fileprivate func takeRepair() -> RepairReport {
        state.withLock { state in
            defer { state.repair.repaired = [] }
            return state.repair
        }
    }

    fileprivate func noteResync() {
        state.withLock { state in
            if !state.insists { state.lie = nil }
            if state.replacesTables { state.isPrepared = false }
            state.asksBeforeResyncs.append(state.asks)
        }
    }

    fileprivate func takeChanges() -> Int {
        state.withLock { state in
            defer { state.changedByOthers = 0 }
            return state.changedByOthers
        }
    }

    func failNext(_ count: Int) { state.withLock { $0.failures = count } }

    func count(_ packets: UInt64, for rule: RuleID?) {
        state.withLock { state in
            state.counters = [:]
            if let rule { state.counters[rule] = RuleCounter(packets: packets, bytes: packets * 100) }
        }
    }

    func tell(_ events: [DropEvent]) { state.withLock { $0.events += events } }

    fileprivate func asked() -> (CompiledPolicy, DatapathError?) {
        state.withLock { state in
            state.asks += 1
            return (state.lie ?? state.policy, state.askFailure)
        }
    }

    fileprivate func note(_ call: String) throws(DatapathError) {
        state.withLock { $0.calls.append(call) }
        if call == "open" || call == "resync" || call == "program" { try fail() }
    }

    fileprivate func fail() throws(DatapathError) {
        let fails = state.withLock { state in
            defer { state.failures = max(0, state.failures - 1) }
            return state.failures > 0
        }
        if fails { throw Self.failure }
    }

    fileprivate func programmed(_ policy: CompiledPolicy) -> ProgramReport {
        state.withLock { $0.policy = policy }
        var report = ProgramReport()
        report.wordsWritten = 3
        return report
    }
}
