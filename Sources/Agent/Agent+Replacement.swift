// SPDX-License-Identifier: Apache-2.0
import Datapath

/// What another datapath that ran here before still enforces.
struct Replacement {
    /// Nil once nothing of it is left.
    var remove: (@Sendable () throws -> [String])?
    /// Whether the new datapath has everything that it needs: its tables, and the pods' interfaces.
    var isDue = false
    var lastError: String?
    var retry: Task<Void, Never>?

    static let retryInterval: Duration = .seconds(5)
}

extension Agent where Plane: ~Copyable {
    /// What the start found of a run before, whichever datapath that had. Ask before the other one is removed.
    var takeover: Takeover {
        let found = datapath.takeover
        guard found == .nothing, let isOtherInForce = settings.isOtherInForce else { return found }
        // What cannot be looked at is not known to be absent.
        return (try? isOtherInForce()) ?? true ? .other : .nothing
    }

    /// Removes the other datapath as soon as this one enforces everything. Until then both judge, and both must allow a
    /// packet.
    func replaceOther() {
        // Before all objects of the cluster are known, this datapath may enforce less than the other one.
        guard phase.enforcesAll, replacement.isDue, let remove = replacement.remove else { return }
        do {
            for name in try remove() {
                logger.notice("removed an object of the other datapath", metadata: ["object": "\(name)"])
            }
            replacement.remove = nil
            replacement.lastError = nil
        } catch {
            replacement.lastError = "\(error)"
            logger.error(
                "the other datapath could not be removed; both judge", metadata: ["error": "\(error)"])
            retryReplacement()
        }
    }

    private func retryReplacement() {
        guard replacement.retry == nil else { return }
        replacement.retry = Task {
            try? await Task.sleep(for: Replacement.retryInterval)
            self.replacement.retry = nil
            if !Task.isCancelled { self.replaceOther() }
        }
    }
}
