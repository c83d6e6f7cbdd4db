// SPDX-License-Identifier: Apache-2.0
import Datapath
import DatapathNFTables

extension Agent where Plane: ~Copyable {
    /// Begins to look, now and then, whether others have changed what is programmed: for what ``rulesetChanged()``
    /// does not tell of.
    func watch() {
        guard programming.watch == nil else { return }
        let interval = settings.watchInterval
        programming.watch = Task {
            while true {
                try? await Task.sleep(for: interval)
                guard !Task.isCancelled else { return }
                self.lookForChanges()
            }
        }
    }

    public func followRuleset(_ receiver: @escaping @Sendable () -> Void) throws(DatapathError) -> RulesetFollower {
        try RulesetFollower(receiver)
    }

    /// One of our nftables tables has changed, by ourselves or by somebody else.
    public func rulesetChanged() { lookForChanges() }

    func lookForChanges() {
        // Nothing was written yet.
        guard !cluster.keepsPrevious else { return }
        repairBridges()
        // A failed write is retried anyway, and compares all.
        guard Plane.isExposed, programming.lastError == nil else { return }
        do {
            guard try !datapath.isUntouched() else { return }
        } catch {
            logger.warning("it cannot be told whether the tables were changed", metadata: ["error": "\(error)"])
        }
        // Its failure is noted and retried.
        _ = try? resyncNow()
    }

    /// Counts and tells what the last write found changed by others.
    func noteRepair() { noteRepair(programming.last.repaired, rebuilt: programming.last.rebuilt) }

    func noteRepair(_ count: Int, rebuilt: Bool) {
        guard count > 0 else { return }
        programming.repaired += count
        logger.warning(
            "somebody else had changed what is enforced; it was put right",
            metadata: ["repaired": "\(count)", "rebuilt": "\(rebuilt)"])
    }
}
