// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import Datapath

extension Agent where Plane: ~Copyable {
    /// The only answer to "does it enforce?": probes, metrics and status all use it.
    public func health() -> Health {
        var health = Health()
        do {
            try datapath.checkPlace()
        } catch {
            health.missing.append("\(error)")
        }
        if let error = programming.repairError {
            health.behind.append("objects that others removed cannot be restored: \(error)")
        }
        if let error = phase.error { health.behind.append("the kernel could not be programmed: \(error)") }
        if !phase.isClusterKnown { health.behind.append("not all objects of the API server are known yet") }
        if let error = replacement.lastError {
            health.behind.append("the other datapath could not be removed: \(error)")
        }
        health.behind += proofProblems()
        return health
    }
}
