// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

/// The HTTP request of a question.
struct RequestQuestionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The method of an HTTP request.", valueName: "method"))
    var method: String?

    @Option(help: ArgumentHelp("Its path, as sent; a query is cut off.", valueName: "path"))
    var path: String?

    @Option(help: ArgumentHelp("Its host, with the port if the client sends it.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp("One of its headers. May be repeated.", valueName: "name=value"),
        transform: RequestQuestionOptions.header)
    var header: [RequestQuestion.Header] = []

    var question: RequestQuestion {
        var question = RequestQuestion()
        question.method = method
        question.path = path
        question.host = host
        question.headers = header
        return question
    }

    /// The parameters of `GET /v1/verdict`.
    var parameters: [(String, String)] {
        [("method", method), ("path", path), ("host", host)].compactMap { name, value in value.map { (name, $0) } }
            + header.map { ("header", "\($0.name):\($0.value)") }
    }

    /// `name=value`, or `name: value` as on the wire.
    private static func header(_ text: String) throws -> RequestQuestion.Header {
        guard let end = text.firstIndex(where: { $0 == "=" || $0 == ":" }) else {
            throw ValidationError("--header '\(text)' is not NAME=VALUE")
        }
        let value = text[text.index(after: end)...]
        return .init(
            name: String(text[..<end]), value: String(text[end] == ":" ? value.drop { $0 == " " } : value))
    }
}
