// SPDX-License-Identifier: Apache-2.0
import PolicyModel

extension ExplainAnswer {
    /// The answer about a Service by those about its backends.
    ///
    /// - Parameters:
    ///   - service: `Service namespace/name`.
    ///   - explained: the name of each backend, the port that receives the packet, and the answer; not empty.
    ///   - notes: what else to know about the Service.
    public init(
        about service: String, explained: [(pod: String, port: UInt16, answer: ExplainAnswer)], notes: [String] = []
    ) {
        let answers = explained.map(\.answer)
        // The one about which a user would ask.
        self =
            answers.first { $0.verdict.kernel?.agrees == false }
            ?? answers.first { $0.verdict.verdict != Verdict.allow.rawValue } ?? answers[0]
        backends = explained.map { BackendAnswer(pod: $0.pod, port: Int($0.port), answer: $0.answer.verdict) }
        verdict.backends = backends
        let others = answers.count { $0.verdict.verdict != Verdict.allow.rawValue }
        let isUnanimous = answers.allSatisfy { $0.verdict.verdict == answers[0].verdict.verdict }
        let pods = answers.count == 1 ? "1 backend pod" : "\(answers.count) backend pods"
        let one = answers.count == 1 ? "" : ", which all have this verdict; one of them is shown"
        let note =
            isUnanimous
            ? "\(service) has \(pods)\(one)"
            : "\(service) has \(pods), of which \(others) \(others == 1 ? "does" : "do") not simply allow it; one of "
                + "these is shown"
        if !isUnanimous { verdict.verdict = DirectionAnswer.undecided }
        verdict.note = ([note] + notes + [verdict.note].compactMap(\.self)).joined(separator: "; ")
    }
}
