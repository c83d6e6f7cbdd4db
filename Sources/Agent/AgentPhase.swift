// SPDX-License-Identifier: Apache-2.0
import Datapath

/// What the kernel enforces, and how much of the policy the agent knows. ``move(on:)`` is the only way from one phase
/// to another.
///
/// Three things are independent of the phase, because they start and end in any of them: what another datapath still
/// enforces (``Replacement``), what others removed from the kernel (``Programming/repairError``), and the daemon's end
/// (``Listeners/isEnding``), after which the kernel still enforces and the agent still answers.
package enum AgentPhase: Sendable, Hashable {
    /// The datapath is not open. Exit: ``Event/opened(_:)``.
    case starting
    /// The kernel enforces what a previous run left, and the agent writes nothing. Exits: ``Event/clusterKnown`` to
    /// ``complete(_:)``, ``Event/previousRemoved`` to ``guardrailsOnly(_:)``.
    case keepsPrevious
    /// Not all objects of the API server are known. The kernel holds everything else: guardrails, manifests, what
    /// clients pushed. Exit: ``Event/clusterKnown``.
    case guardrailsOnly(LastWrite)
    /// Every source is known, and the kernel holds the policy of all of them. No exit.
    case complete(LastWrite)

    /// How the last write to the kernel ended.
    package enum LastWrite: Sendable, Hashable {
        /// Nothing was written yet.
        case none
        case succeeded
        /// The agent retries, and then compares everything.
        case failed(DatapathError)
    }

    /// What the agent finds when it opens the datapath.
    package enum Opening: Sendable, Hashable {
        /// Without an API server, so all sources are known at once.
        case withoutCluster
        /// With an API server, and without policy of a previous run.
        case cluster
        /// With an API server, and the kernel holds policy of a previous run.
        case clusterAndPrevious
    }

    package enum Event: Sendable, Hashable {
        case opened(Opening)
        /// All objects of the API server are known.
        case clusterKnown
        /// Others removed what a previous run left.
        case previousRemoved
        case written
        case writeFailed(DatapathError)
    }

    /// Moves to the next phase. An event that is not an exit of this phase changes nothing.
    package mutating func move(on event: Event) {
        switch (self, event) {
        case (.starting, .opened(.withoutCluster)): self = .complete(.none)
        case (.starting, .opened(.cluster)): self = .guardrailsOnly(.none)
        case (.starting, .opened(.clusterAndPrevious)): self = .keepsPrevious
        case (.keepsPrevious, .clusterKnown): self = .complete(.none)
        case (.keepsPrevious, .previousRemoved): self = .guardrailsOnly(.none)
        case (.guardrailsOnly(let last), .clusterKnown): self = .complete(last)
        case (.guardrailsOnly, .written): self = .guardrailsOnly(.succeeded)
        case (.guardrailsOnly, .writeFailed(let error)): self = .guardrailsOnly(.failed(error))
        case (.complete, .written): self = .complete(.succeeded)
        case (.complete, .writeFailed(let error)): self = .complete(.failed(error))
        case (.starting, _), (.keepsPrevious, _), (.guardrailsOnly, _), (.complete, _): break
        }
    }
}

extension AgentPhase {
    /// Whether all objects of the API server are known, or there is no API server.
    package var isClusterKnown: Bool {
        if case .complete = self { true } else { false }
    }

    package var keepsPrevious: Bool { self == .keepsPrevious }

    /// Whether a change of policy goes to the kernel at once.
    package var writesKernel: Bool { lastWrite != nil }

    /// Why the last write failed; nil if it did not, or there was none.
    package var error: DatapathError? {
        if case .failed(let error) = lastWrite { error } else { nil }
    }

    /// Whether the kernel holds the newest compiled policy.
    package var isInStep: Bool { lastWrite == .succeeded }

    /// Whether the kernel holds the policy of all sources.
    package var enforcesAll: Bool { self == .complete(.succeeded) }

    private var lastWrite: LastWrite? {
        switch self {
        case .starting, .keepsPrevious: nil
        case .guardrailsOnly(let last), .complete(let last): last
        }
    }
}
