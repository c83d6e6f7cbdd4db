// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import Journal
import Netfilter

extension Agent where Plane: ~Copyable {
    /// Starts to check now and then whether others have changed what enforces, for changes that ``rulesetChanged()``
    /// does not report.
    func watch() {
        guard programming.watch == nil else { return }
        let interval = settings.watchInterval
        let moment = min(Programming.moment, interval)
        programming.watch = Task {
            var due = ContinuousClock.now + interval
            while true {
                try? await Task.sleep(for: moment)
                guard !Task.isCancelled else { return }
                if ContinuousClock.now < due {
                    self.repairPlace()
                } else {
                    self.lookForChanges()
                    due = .now + interval
                }
            }
        }
    }

    public func followRuleset(_ receiver: @escaping @Sendable () -> Void) throws(DatapathError) -> RulesetFollower {
        try RulesetFollower(receiver)
    }

    /// One of Bulkhead's nftables tables has changed, by this daemon or by others.
    public func rulesetChanged() { lookForChanges() }

    func lookForChanges() {
        repairPlace()
        repairKept()
        guard !phase.keepsPrevious else {
            replacePrevious()
            return
        }
        repairBridges()
        // A failed write is retried anyway, and compares everything.
        guard Plane.isExposed, phase.error == nil else { return }
        do {
            guard try !datapath.isUntouched() else { return }
        } catch {
            logger.warning("cannot check whether others changed the tables", metadata: ["error": "\(error)"])
        }
        reconcile(.kernel)
    }

    /// Nothing was written yet, because what a previous run left must stay until all objects of the cluster are known.
    /// If that is removed, the guardrails are better than nothing.
    private func replacePrevious() {
        do {
            try datapath.checkPlace()
        } catch .missing(let what) {
            logger.warning(
                "what a previous run left is gone; only guardrails are in force until all objects of the cluster are known",
                metadata: ["gone": "\(what)"])
            phase.move(on: .previousRemoved)
            reconcile(.kernel)
        } catch {
            logger.warning("cannot check whether the tables are in place", metadata: ["error": "\(error)"])
        }
    }

    /// Restores what others have removed, as far as that needs no policy and is cheap to check.
    ///
    /// - Returns: what was restored, in words.
    @discardableResult func repairPlace() -> [String] {
        let report = datapath.repair()
        if !report.repaired.isEmpty { noteRepair(report.repaired) }
        if let failure = report.failure, failure != programming.repairError {
            logger.error("objects that others removed cannot be restored", metadata: ["error": "\(failure)"])
        }
        programming.repairError = report.failure
        if !bridging.ports.pods.isEmpty { ensureFiltering() }
        repairSteering()
        noteConnections()
        return report.repaired
    }

    private func noteConnections() {
        let use = ConnectionUse()
        let isNearlyFull = use?.isNearlyFull ?? false
        if isNearlyFull, !programming.areConnectionsFull, let use { logger.warning("\(use.description)") }
        programming.areConnectionsFull = isNearlyFull
    }

    /// Counts and logs repairs.
    func noteRepair(_ things: [String]) {
        programming.repaired += things.count
        programming.keep(RepairRecord(things))
        noteInJournal(JournalEvent(.repaired, "others had removed \(things.joined(separator: ", "))"))
        logger.warning(
            "others had removed objects that enforce policy; they were restored",
            metadata: ["repaired": "\(things.joined(separator: ", "))"])
    }

    /// Counts and logs the changes by others that the last write found.
    func noteRepair() {
        noteRepair(programming.last.repaired, programming.last.repairs, rebuilt: programming.last.rebuilt)
    }

    /// - Parameter things: what was repaired, in words, as far as it is known.
    func noteRepair(_ count: Int, _ things: [String], rebuilt: Bool) {
        guard count > 0 else { return }
        programming.repaired += count
        programming.keep(RepairRecord(things, count: count))
        let some = (things.prefix(3) + (things.count > 3 ? ["…"] : [])).joined(separator: ", ")
        let named = some.isEmpty ? "" : " (\(some))"
        noteInJournal(JournalEvent(.repaired, "others had changed the tables: \(count) differences\(named)"))
        logger.warning(
            "others had changed the tables; they were repaired",
            metadata: [
                "repaired": "\(count)", "rebuilt": "\(rebuilt)", "what": "\(things.joined(separator: ", "))",
            ])
    }
}
