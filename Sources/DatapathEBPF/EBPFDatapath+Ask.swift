// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

extension EBPFDatapath {
    /// Runs programs with the instructions of the attached ones over packets that nothing sends. What an interface says
    /// about a sender, which such a packet lacks, is read from the tables.
    public mutating func ask(_ questions: [KernelQuestion]) throws(DatapathError) -> [KernelAnswer] {
        let generation = try opened()
        try generation.takeAnswering()
        var proven: Set<String> = []
        var answers: [KernelAnswer] = []
        for question in questions {
            let (hook, family) = (PacketHook(question.way), question.flow.source.family)
            guard family == question.flow.destination.family else {
                throw .unsupported(what: "a flow between IPv4 and IPv6", remedy: "ask with addresses of one family")
            }
            guard generation.wantedHooks.contains(hook) else {
                answers.append(KernelAnswer(verdict: .allow))
                continue
            }
            if proven.insert(hook.program(family)).inserted { try generation.proveAttached(hook, family) }
            answers.append(try generation.answer(question, hook, family))
        }
        return answers
    }

    /// The programs that answer are loaded once for each set of tables, and the kernel checks them for half a second.
    public mutating func preparationToAsk() -> (@Sendable () -> Void)? {
        guard let current, current.answering == nil else { return nil }
        if current.loader == nil {
            // The question says why there is none.
            current.loader = try? AnsweringLoader(over: current.held, current.capacities)
        }
        guard let loader = current.loader, !loader.isDone else { return nil }
        return { loader.load() }
    }
}

extension PacketHook {
    init(_ way: KernelQuestion.Way) {
        switch way {
        case .forwarded: self = .forward
        case .toOwnNode: self = .input
        case .fromOwnNode: self = .output
        }
    }
}

extension Generation {
    /// Takes the programs that answer from where they were loaded; loads them otherwise.
    fileprivate func takeAnswering() throws(DatapathError) {
        guard answering == nil else { return }
        let loader = if let prepared = self.loader { prepared } else { try AnsweringLoader(over: held, capacities) }
        self.loader = nil
        if !loader.isDone { loader.load() }
        answering = try loader.take()
    }

    /// Throws unless the program attached at a hook has the same instructions as the one that answers, over the same
    /// tables.
    fileprivate func proveAttached(_ hook: PacketHook, _ family: AddressFamily) throws(DatapathError) {
        let place = "the \(hook) hook, \(family)"
        guard held.holds(hook.link(family)) else { throw .missing("the link of \(place),") }
        let attached = try attachedProgram(hook, family)
        let answering = try ProgramIdentity(answering?.program(at: hook, family) ?? -1)
        guard attached.tag == answering.tag else {
            throw .corrupt(
                "the program at \(place) is not this version's (tag \(attached.tagText), not \(answering.tagText))")
        }
        for name in ["tables", "tunnel_nodes"] {
            let map = try ProgramIdentity.mapNumber(held.raw(name))
            // Not every program reads each of them.
            guard attached.maps.contains(map) == answering.maps.contains(map) else {
                throw .corrupt("the program at \(place) reads another map \(name)")
            }
        }
    }

    fileprivate func answer(
        _ question: KernelQuestion, _ hook: PacketHook, _ family: AddressFamily
    ) throws(DatapathError) -> KernelAnswer {
        if hook != .output, isTakenForForged(question.flow.source) {
            return KernelAnswer(verdict: .deny, cause: .spoofed)
        }
        guard let finding = try answering?.judge(QuestionPacket(question.asRouted), family, hook) else {
            throw .corrupt("the programs that answer are not loaded")
        }
        var answer = KernelAnswer(verdict: finding.verdict, rules: finding.rules.filter { $0.value != .noPolicy })
        for event in finding.events {
            let (direction, rule) = (event.judgedDirection, RuleID(rawValue: event.rule))
            switch DropEvent.Cause(rawValue: event.cause) {
            case .audit:
                // The cell names only the rule in audit, not what allows the flow.
                answer.rules[direction] = nil
                answer.wouldDeny[direction] = rule
            case .rule: answer.rules[direction] = rule
            case .handOver:
                answer.rules[direction] = rule
                answer.verdict = .dependsOnRequest
                // Without the proxy's marks no packet passes.
                if memory.loadLive(Self.headerWord(\.proxy_marks)) == 0 { answer.cause = .handOver }
            case let cause:
                answer.rules[direction] = nil
                answer.cause = cause ?? .inconsistent
            }
        }
        if answer.verdict == .deny, finding.events.isEmpty { answer.cause = .inconsistent }
        return answer
    }

    /// Whether the tables that packets see would take this address for forged, although it comes from where its
    /// endpoint is.
    private func isTakenForForged(_ source: IPAddress) -> Bool {
        let word = word(of: source)
        guard !isPointer(word) else { return false }
        let id = AddressEntry(word: word).endpoint
        return id != .none && !endpoints.isAccepted(id, in: memory)
    }
}

extension KernelQuestion {
    /// The run has no bridge, and its packet would be taken for one within a bridge: that matters to DHCP alone.
    fileprivate var asRouted: KernelQuestion {
        guard way == .forwarded, [67, 68, 546, 547].contains(sourcePort) else { return self }
        var question = self
        question.sourcePort = 40_000
        return question
    }
}
