// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import Manifests

/// What changed in the manifests, and their present problems.
public struct ManifestChange: Sendable {
    public var events: [ObjectEvent]
    /// Everything that is refused now, not only what is new.
    public var problems: [Problem]
    /// Everything that has no effect now.
    public var notices: [String]
    /// The notices about policies of kinds that are not enforced.
    public var warnings: [String]

    public init(
        events: [ObjectEvent] = [], problems: [Problem] = [], notices: [String] = [], warnings: [String] = []
    ) {
        self.events = events
        self.problems = problems
        self.notices = notices
        self.warnings = warnings
    }

    public init(_ update: ManifestDirectory.Update) {
        self.init(
            events: update.events,
            problems: update.problems.map { problem in
                var told = Problem(problem.error)
                told.stillInForce = problem.stillInForce.map(\.description)
                return told
            },
            notices: update.notices.map(\.description),
            warnings: update.notices.filter { $0.reason == .notEnforced }.map(\.description))
    }
}
