// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import Logging
import PolicyModel
import SelfProof

/// The self-proof: kernel and policy are asked the same questions all the time, within a share of one processor.
///
/// A batch is chosen, asked and compared in one call of the actor: no change of this daemon can come in between. What
/// others change meanwhile is repaired as such, and only a difference that is left is a disagreement.
extension Agent where Plane: ~Copyable {
    func startProving() {
        guard proving.pace != nil, proving.task == nil else { return }
        proving.task = Task {
            try? await Task.sleep(for: settings.selfProofDelay)
            while !Task.isCancelled {
                let rest = self.proveOnce()
                try? await Task.sleep(for: rest)
            }
        }
    }

    /// One batch.
    ///
    /// - Returns: how long to rest.
    func proveOnce() -> Duration {
        // Otherwise the kernel holds something else on purpose, and the status says so.
        guard let pace = proving.pace, phase.isInStep, isReadyToAsk() else { return Proving.pause }
        let start = ProcessorTime.ofThread
        noteBusyRules()
        reviewStanding()
        let asked = proving.prover.questions(pace.batch, of: pipeline.compiled)
        let askedAt = ProcessorTime.ofThread
        prove(asked)
        let answered = ProcessorTime.ofThread
        compareWhole(pace)
        let cost = ProcessorTime.ofThread - start
        proving.processorTime += cost
        proving.lastTurn = .now
        // The size of batches follows from the questions alone, the rest from everything.
        if proving.failure == nil { proving.pace?.note(asked.count, cost: answered - askedAt) }
        let rest = pace.rest(after: cost)
        guard proving.failure == nil else { return max(rest, proving.failureRest) }
        return asked.isEmpty ? max(rest, Proving.pause) : rest
    }

    /// Asks, compares, and repairs what differs.
    ///
    /// - Returns: how many disagreements were confirmed.
    @discardableResult
    func prove(_ asked: [Prover.Asked]) -> Int {
        guard !asked.isEmpty, let wrong = compare(asked.map(\.question)) else { return 0 }
        for one in asked { proving.verified[one.aim, default: 0] += 1 }
        guard !wrong.isEmpty, let confirmed = confirm(wrong), !confirmed.isEmpty else { return 0 }
        // While a repair has not helped, the next one has its time.
        let isFirst = proving.standing.isEmpty
        add(confirmed)
        if isFirst {
            report(confirmed)
            repairFromPolicy()
        }
        return confirmed.count
    }

    /// The kernel's answers that are not what policy says; nil if it cannot be asked, or not yet.
    private func compare(_ questions: [KernelQuestion]) -> [Disagreement]? {
        guard !questions.isEmpty else { return [] }
        guard isReadyToAsk() else { return nil }
        let answers: [KernelAnswer]
        do {
            answers = try datapath.ask(questions)
        } catch {
            noteUnasked(error)
            return nil
        }
        noteAsked()
        let tunnels = programmed.tunnels?.tunnels ?? TunnelGuard()
        return zip(questions, answers).compactMap { question, answer in
            let expected = pipeline.compiled.expected(question)
            return expected.mismatch(answer, to: question, tunnels: tunnels).map {
                Disagreement(question: question, expected: expected, answer: answer, mismatch: $0)
            }
        }
    }

    /// Asks again, and once more after the repair of what others have changed, which is counted and logged as such.
    private func confirm(_ wrong: [Disagreement]) -> [Disagreement]? {
        guard let again = compare(wrong.map(\.question)), !again.isEmpty else { return nil }
        let before = programming.repaired
        lookForChanges()
        guard programming.repaired != before else { return again }
        return phase.isInStep ? compare(again.map(\.question)) : nil
    }

    private func add(_ confirmed: [Disagreement]) {
        let known = Set(proving.standing.map(\.question))
        let new = confirmed.filter { !known.contains($0.question) }
            .prefix(max(0, Proving.standingLimit - proving.standing.count))
        proving.disagreements += UInt64(new.count)
        proving.standing += new
    }

    private func report(_ confirmed: [Disagreement]) {
        for one in confirmed.prefix(4) {
            logger.error(
                "the kernel decides otherwise than policy",
                metadata: [
                    "flow": "\(one.question.flow)", "kernel": "\(one.answer)", "policy": "\(one.expected)",
                    "found": "\(confirmed.count)",
                ])
        }
        tellFollowers("the kernel decides otherwise than policy: \(confirmed[0])")
        noteBurst("\(confirmed[0])")
    }

    /// Writes everything from policy again, and asks whether that has helped.
    private func repairFromPolicy() {
        logger.notice("everything is compared and written again", metadata: ["because": "the kernel disagrees"])
        reconcile(.kernel)
        review(afterRepair: true)
    }

    /// Asks again about what was not repaired, and tries to repair it after a while.
    func reviewStanding() {
        guard !proving.standing.isEmpty else { return }
        if let due = proving.repairAt, due <= .now { repairFromPolicy() } else { review(afterRepair: false) }
    }

    private func review(afterRepair: Bool) {
        // The repair may have replaced the tables: the next turn asks, before anything is repaired again.
        if phase.isInStep, !isReadyToAsk() {
            if afterRepair { proving.repairAt = nil }
            return
        }
        guard phase.isInStep, let left = compare(proving.standing.map(\.question)) else {
            // It is not known whether the repair has helped: it is made again.
            if afterRepair { repairLater() }
            return
        }
        let count = proving.standing.count
        proving.standing = left
        guard left.isEmpty else {
            if afterRepair || proving.repairAt == nil { repairLater() }
            return
        }
        proving.backoff.succeeded()
        proving.repairAt = nil
        logger.notice("the kernel decides as policy says again", metadata: ["repaired": "\(count)"])
        tellFollowers("the kernel decides as policy says again: repaired")
    }

    private func repairLater() {
        proving.backoff.failed()
        if let delay = proving.backoff.delay { proving.repairAt = .now + delay }
    }

    private func noteAsked() {
        proving.hasAnswered = true
        proving.failures = 0
        guard proving.failure != nil else { return }
        proving.failure = nil
        logger.notice("the kernel can be asked again what it decides")
    }

    /// What is asked may be what others have broken.
    private func noteUnasked(_ error: DatapathError) {
        let isNew = proving.failure != error
        proving.failure = error
        proving.failures += 1
        guard isNew else { return }
        guard error.isDamage else {
            logger.warning("the kernel cannot be asked what it decides", metadata: ["error": "\(error)"])
            return
        }
        logger.error("what decides in the kernel is not what was loaded", metadata: ["error": "\(error)"])
        lookForChanges()
        reconcile(.kernel)
    }

    /// Now and then, which rules real packets have met.
    private func noteBusyRules() {
        guard proving.countersAt <= .now else { return }
        proving.countersAt = .now + Proving.counterInterval
        guard let reading = try? datapath.ruleCounters() else { return }
        let busy = reading.filter { $1.packets > proving.packets[$0, default: 0] }.map(\.key)
        proving.packets = reading.mapValues(\.packets)
        proving.prover.note(busy: busy.sorted())
    }
}

extension DatapathError {
    /// Whether it says that others have changed what decides.
    var isDamage: Bool {
        switch self {
        case .missing, .corrupt: true
        case .system, .unsupported, .inUse, .limit: false
        }
    }
}
