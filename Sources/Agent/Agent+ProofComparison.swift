// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import Logging
import PolledThread
import SelfProof
import Synchronization

/// All tables are compared with policy, seldom and in steps: each takes a bounded time, or runs on a thread of its own.
extension Agent where Plane: ~Copyable {
    /// The next step, if it is time.
    func compareWhole(_ pace: ProofPace) {
        guard proving.compareAt <= .now, proving.standing.isEmpty, phase.isInStep, proving.comparing == nil else {
            return
        }
        do {
            switch try datapath.compareNext(with: pipeline.compiled) {
            case .equal: return
            case .elsewhere(let work):
                compareElsewhere(work, pace)
                return
            case .changed: noteChangedMeanwhile()
            case .finished(let differences):
                proving.changedMeanwhile = 0
                proving.comparisons += 1
                proving.compareAt = .now + max(settings.comparisonInterval, proving.compareRest)
                if !differences.isEmpty { repair(differences) }
            }
        } catch {
            proving.compareAt = .now + max(settings.comparisonInterval, proving.compareRest)
            logger.warning("the tables cannot be compared with policy", metadata: ["error": "\(error)"])
        }
        proving.compareRest = .zero
    }

    /// The comparison begins again soon. Tables that change all the time are compared in one go in the end: changes of
    /// policy wait for that, and it repairs what differs.
    private func noteChangedMeanwhile() {
        proving.changedMeanwhile += 1
        guard proving.changedMeanwhile >= Proving.changedLimit else {
            proving.compareAt = .now + max(Proving.pause, proving.compareRest)
            return
        }
        proving.changedMeanwhile = 0
        proving.compareAt = .now + max(settings.comparisonInterval, proving.compareRest)
        logger.info("the tables change too often to be compared with policy elsewhere; they are compared at once")
        if reconcile(.kernel) == nil { proving.comparisons += 1 }
    }

    private func compareElsewhere(_ work: @escaping @Sendable () -> Void, _ pace: ProofPace) {
        proving.comparing = Task {
            let spent = Spent()
            await DetachedWork.run(named: "bulkhead-verify") { spent.measure(work) }
            self.proving.processorTime += spent.time
            self.proving.compareRest = pace.rest(after: spent.time)
            self.proving.comparing = nil
        }
    }

    /// What others have changed is repaired and counted as that; the rest is a fault of this daemon or of the kernel.
    private func repair(_ differences: [String]) {
        // Only a change of the tables explains a difference: not what is repaired elsewhere, such as a link.
        let isUntouched = (try? datapath.isUntouched()) ?? false
        lookForChanges()
        guard isUntouched else {
            // What others have changed may not be all that differs.
            proving.compareAt = .now + proving.compareRest
            return
        }
        let names = differences.joined(separator: ", ")
        logger.error("the tables are not what policy says; they are written again", metadata: ["differ": "\(names)"])
        tellFollowers("the tables are not what policy says: \(names)")
        proving.disagreements += 1
        noteBurst("the tables differ in \(names)")
        programming.keep(RepairRecord(differences))
        reconcile(.kernel)
    }
}

/// Processor time that work on another thread has taken.
private final class Spent: Sendable {
    private let duration = Mutex(Duration.zero)

    var time: Duration { duration.withLock { $0 } }

    func measure(_ work: () -> Void) {
        let start = ProcessorTime.ofThread
        work()
        let taken = ProcessorTime.ofThread - start
        duration.withLock { $0 += taken }
    }
}
