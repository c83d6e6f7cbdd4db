// SPDX-License-Identifier: Apache-2.0
import Datapath

/// Whether the kernel enforces what it should, as probes ask it.
public struct Health: Sendable, Hashable {
    /// What is not in its place in the kernel, which a restart puts back; nil: all of it is.
    public var missing: String?
    /// Why the kernel does not hold the newest policy (yet).
    public var behind: [String]
    public init(missing: String? = nil, behind: [String] = []) {
        self.missing = missing
        self.behind = behind
    }
}

extension Agent where Plane: ~Copyable {
    public func health() -> Health {
        var health = Health()
        do {
            try datapath.checkPlace()
        } catch {
            health.missing = "\(error)"
        }
        if let error = programming.lastError { health.behind.append("the kernel could not be programmed: \(error)") }
        if cluster.gathering != nil { health.behind.append("not all objects of the API server are known yet") }
        if let error = replacement.lastError {
            health.behind.append("what another datapath enforced could not be removed: \(error)")
        }
        return health
    }
}
