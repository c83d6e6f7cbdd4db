// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects

extension JournalCore {
    /// Records that changes are missing, and what they changed together. So the state stays right, and only the time
    /// in between is not known.
    mutating func take(_ loss: JournalLoss) {
        let isKnown = !loss.isTooMuch && state != nil
        if loss.isTooMuch { end() }
        // First: it ends the time that is not known.
        if loss.count > loss.elsewhere || loss.isTooMuch { note(loss.count - loss.elsewhere, isKnown, at: loss.time) }
        if loss.elsewhere > 0 { miss(loss.elsewhere, at: loss.time) }
        guard isKnown else { return }
        let first = sequence + 1
        for (_, input) in loss.objects.sorted(by: { $0.key < $1.key }) {
            var input = input
            // What was before the first of them is what the state has.
            input.before = nil
            _ = take(input, first, loss.time)
        }
        guard let resolved = loss.resolved, let before = state?.resolved, resolved != before else { return }
        append(.event(JournalEvent(.resolved, resolvedBefore: before, resolvedAfter: resolved)), at: loss.time)
    }

    /// Nothing can be recorded without the state.
    private mutating func end() {
        state = nil
        let reason = "it missed too much: it goes on with the next start"
        // A problem of the disk is reported first.
        if status.problem == stopped {
            if stopped == nil { report(.off(reason)) }
            status.problem = reason
        }
        stopped = reason
    }

    private mutating func note(_ count: UInt64, _ isKnown: Bool, at time: JournalTime) {
        let changes = count == 1 ? "1 change" : "\(count) changes"
        let rest =
            stopped == nil
            ? "and only what they changed together is recorded"
            : "too many to go on: nothing more is recorded before the daemon's next start"
        let text = "the disk did not keep up: \(changes) could not be recorded one by one, \(rest)"
        append(.event(JournalEvent(.lost, text, isBase: !isKnown)), at: time)
    }

    /// Records that changes of pods of other nodes are missing.
    private mutating func miss(_ count: UInt64, at time: JournalTime) {
        let noun = count == 1 ? "change of a pod of another node" : "changes of pods of other nodes"
        append(
            .event(
                JournalEvent(
                    .known, "\(count) \(noun) came too fast and \(count == 1 ? "is" : "are") missing", isBase: true,
                    isElsewhere: true)), at: time)
    }
}
