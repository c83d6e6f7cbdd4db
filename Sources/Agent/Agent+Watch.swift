// SPDX-License-Identifier: Apache-2.0
import Datapath

extension Agent where Plane: ~Copyable {
    /// Begins to look, now and then, whether others have changed what is programmed. Does nothing where they can't.
    func watch() {
        guard Plane.isExposed, programming.watch == nil else { return }
        let interval = settings.watchInterval
        programming.watch = Task {
            while true {
                try? await Task.sleep(for: interval)
                guard !Task.isCancelled else { return }
                self.lookForChanges()
            }
        }
    }

    private func lookForChanges() {
        // A failed write is retried anyway, and compares all.
        guard programming.lastError == nil else { return }
        do {
            guard try !datapath.isUntouched() else { return }
        } catch {
            logger.warning("it cannot be told whether the tables were changed", metadata: ["error": "\(error)"])
        }
        // Its failure is noted and retried.
        _ = try? resyncNow()
    }

    /// Counts and tells what the last write found changed by others.
    func noteRepair() {
        guard programming.last.repaired > 0 else { return }
        programming.repaired += programming.last.repaired
        logger.warning(
            "somebody else had changed what is enforced; it was put right",
            metadata: ["repaired": "\(programming.last.repaired)", "rebuilt": "\(programming.last.rebuilt)"])
    }
}
