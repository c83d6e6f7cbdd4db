// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore

extension ControlResponder {
    /// What the journal has recorded.
    func history(_ query: Query) async throws(ErrorAnswer) -> Response {
        try query.allow(only: ["since", "last", "about", "pods"])
        var question = HistoryQuestion(since: try query.moment("since"), subject: query.optional("about"))
        if let text = query.optional("last") {
            guard let last = Int(text), (1...HistoryQuestion.limit).contains(last) else {
                throw ErrorAnswer(.badRequest, "'last' must be a number from 1 to \(HistoryQuestion.limit)")
            }
            question.last = last
        }
        switch query.optional("pods") {
        case nil, "here": break
        case "all": question.includesPodsElsewhere = true
        default: throw ErrorAnswer(.badRequest, "'pods' must be here or all")
        }
        let asked = question
        return try await readingJournal { () async throws(ErrorAnswer) in try json(await backend.history(asked)) }
    }

    /// Runs a call that reads the whole journal.
    func readingJournal(
        _ body: () async throws(ErrorAnswer) -> Response
    ) async throws(ErrorAnswer) -> Response {
        guard let share = journalReaders.take(1) else {
            throw ErrorAnswer(.busy, "too many calls read the journal at once; try again in a moment")
        }
        defer { withExtendedLifetime(share) {} }
        return try await body()
    }
}

extension Query {
    /// A moment of the past; nil if the parameter is left out.
    func moment(_ name: String) throws(ErrorAnswer) -> PastMoment? {
        guard let text = optional(name) else { return nil }
        guard let moment = PastMoment(text) else { throw ErrorAnswer(.badRequest, "'\(name)' \(PastMoment.problem)") }
        return moment
    }
}
