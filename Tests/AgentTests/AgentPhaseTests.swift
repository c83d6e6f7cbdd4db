// SPDX-License-Identifier: Apache-2.0
import Agent
import Datapath
import Testing

/// Every transition of the agent's life cycle, and what each phase answers.
struct AgentPhaseTests {
    private static let full = DatapathError.limit(what: "rules", limit: 1)
    private static let busy = DatapathError.inUse("the table")

    private static let transitions: [(AgentPhase, AgentPhase.Event, AgentPhase)] = [
        // A start.
        (.starting, .opened(.withoutCluster), .complete(.none)),
        (.starting, .opened(.cluster), .guardrailsOnly(.none)),
        (.starting, .opened(.clusterAndPrevious), .keepsPrevious),
        // What a previous run left.
        (.keepsPrevious, .clusterKnown, .complete(.none)),
        (.keepsPrevious, .previousRemoved, .guardrailsOnly(.none)),
        // Guardrails alone.
        (.guardrailsOnly(.none), .written, .guardrailsOnly(.succeeded)),
        (.guardrailsOnly(.none), .writeFailed(full), .guardrailsOnly(.failed(full))),
        (.guardrailsOnly(.succeeded), .writeFailed(full), .guardrailsOnly(.failed(full))),
        (.guardrailsOnly(.failed(full)), .writeFailed(busy), .guardrailsOnly(.failed(busy))),
        (.guardrailsOnly(.failed(full)), .written, .guardrailsOnly(.succeeded)),
        (.guardrailsOnly(.none), .clusterKnown, .complete(.none)),
        (.guardrailsOnly(.succeeded), .clusterKnown, .complete(.succeeded)),
        (.guardrailsOnly(.failed(full)), .clusterKnown, .complete(.failed(full))),
        // All of it.
        (.complete(.none), .written, .complete(.succeeded)),
        (.complete(.none), .writeFailed(full), .complete(.failed(full))),
        (.complete(.succeeded), .writeFailed(full), .complete(.failed(full))),
        (.complete(.failed(full)), .writeFailed(busy), .complete(.failed(busy))),
        (.complete(.failed(full)), .written, .complete(.succeeded)),
    ]

    private static let phases: [AgentPhase] = [
        .starting, .keepsPrevious, .guardrailsOnly(.none), .guardrailsOnly(.succeeded), .guardrailsOnly(.failed(full)),
        .complete(.none), .complete(.succeeded), .complete(.failed(full)),
    ]
    private static let events: [AgentPhase.Event] = [
        .opened(.withoutCluster), .opened(.cluster), .opened(.clusterAndPrevious), .clusterKnown, .previousRemoved,
        .written, .writeFailed(full),
    ]

    @Test func eachTransition() {
        for (before, event, after) in Self.transitions {
            var phase = before
            phase.move(on: event)
            #expect(phase == after, "\(before), \(event)")
        }
    }

    /// A daemon that opens its datapath twice, say, does not fall back.
    @Test func anyOtherEventChangesNothing() {
        for before in Self.phases {
            for event in Self.events where !Self.transitions.contains(where: { $0.0 == before && $0.1 == event }) {
                var phase = before
                phase.move(on: event)
                #expect(phase == before, "\(before), \(event)")
            }
        }
    }

    @Test func whatEachPhaseAnswers() {
        for phase in Self.phases {
            let (known, keeps) = (phase.isClusterKnown, phase.keepsPrevious)
            let expected: (known: Bool, keeps: Bool, writes: Bool, inStep: Bool, all: Bool, error: DatapathError?) =
                switch phase {
                case .starting: (false, false, false, false, false, nil)
                case .keepsPrevious: (false, true, false, false, false, nil)
                case .guardrailsOnly(.none): (false, false, true, false, false, nil)
                case .guardrailsOnly(.succeeded): (false, false, true, true, false, nil)
                case .guardrailsOnly(.failed(let error)): (false, false, true, false, false, error)
                case .complete(.none): (true, false, true, false, false, nil)
                case .complete(.succeeded): (true, false, true, true, true, nil)
                case .complete(.failed(let error)): (true, false, true, false, false, error)
                }
            #expect(known == expected.known && keeps == expected.keeps && phase.writesKernel == expected.writes)
            #expect(phase.isInStep == expected.inStep && phase.enforcesAll == expected.all)
            #expect(phase.error == expected.error, "\(phase)")
        }
    }
}
