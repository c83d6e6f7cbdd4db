// SPDX-License-Identifier: Apache-2.0
import Datapath

/// What the kernel enforces, and how far the agent knows the policy. ``move(on:)`` is the only way from one phase to
/// another.
///
/// Three things are orthogonal to the phase, because they start and end in each: what another datapath still enforces
/// (``Replacement``), what others removed from the kernel (``Programming/repairError``), and the daemon's end
/// (``Listeners/isEnding``), after which the kernel still enforces and the agent still answers.
package enum AgentPhase: Sendable, Hashable {
    /// The datapath is not open. Exit: ``Event/opened(_:)``.
    case starting
    /// The kernel enforces what a previous run left, and the agent writes nothing. Exits: ``Event/clusterKnown`` to
    /// ``complete(_:)``, ``Event/previousRemoved`` to ``guardrailsOnly(_:)``.
    case keepsPrevious
    /// The objects of the API server are not all known. The kernel holds everything else: guardrails, manifests, what
    /// clients pushed. Exit: ``Event/clusterKnown``.
    case guardrailsOnly(LastWrite)
    /// Every source is known, and the kernel holds what all of them say. No exit.
    case complete(LastWrite)

    /// How the last write to the kernel ended.
    package enum LastWrite: Sendable, Hashable {
        /// Nothing was written yet.
        case none
        case succeeded
        /// The agent tries again, and compares everything then.
        case failed(DatapathError)
    }

    /// What the agent finds when it opens the datapath.
    package enum Opening: Sendable, Hashable {
        /// No API server is followed, so the sources are known at once.
        case withoutCluster
        /// An API server is followed, and no previous run left policy.
        case cluster
        /// An API server is followed, and the kernel holds policy of a previous run.
        case clusterAndPrevious
    }

    package enum Event: Sendable, Hashable {
        case opened(Opening)
        /// All objects of the API server are known.
        case clusterKnown
        /// Somebody removed what a previous run left.
        case previousRemoved
        case written
        case writeFailed(DatapathError)
    }

    /// Moves to the next phase. An event that is no exit of this phase changes nothing.
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
    /// Whether all objects of the API server are known, or no API server is followed.
    package var isClusterKnown: Bool {
        if case .complete = self { true } else { false }
    }

    package var keepsPrevious: Bool { self == .keepsPrevious }

    /// Whether a change of policy goes to the kernel at once.
    package var writesKernel: Bool { lastWrite != nil }

    /// Why the last write failed; nil: it did not, or there was none.
    package var error: DatapathError? {
        if case .failed(let error) = lastWrite { error } else { nil }
    }

    /// Whether the kernel holds what was compiled last.
    package var isInStep: Bool { lastWrite == .succeeded }

    /// Whether the kernel holds what all sources say.
    package var enforcesAll: Bool { self == .complete(.succeeded) }

    private var lastWrite: LastWrite? {
        switch self {
        case .starting, .keepsPrevious: nil
        case .guardrailsOnly(let last), .complete(let last): last
        }
    }
}
