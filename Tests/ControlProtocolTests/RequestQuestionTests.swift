// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Requests
import Testing

@Suite struct RequestQuestionTests {
    private func question(
        method: String? = nil, host: String? = nil, path: String? = nil, headers: [(String, String)] = []
    ) -> RequestQuestion {
        var question = RequestQuestion()
        question.method = method
        question.host = host
        question.path = path
        question.headers = headers.map { .init(name: $0.0, value: $0.1) }
        return question
    }

    @Test func whatIsLeftOut() throws {
        #expect(try RequestQuestion().request() == nil)
        #expect(try question(host: "a").request() == HTTPRequest(method: "GET", host: "a"))
        #expect(
            try question(method: "PUT", path: "/a?b#c", headers: [("X-A", "1"), ("x-a", "2")]).request()
                == HTTPRequest(method: "PUT", path: "/a", headers: ["x-a": "1,2"]))
        #expect(try question(method: "OPTIONS", path: "*").request()?.path == "*")
    }

    @Test func whatIsWrong() {
        let rows: [(RequestQuestion, RequestQuestionError)] = [
            (question(method: ""), .method("")), (question(method: "GET /"), .method("GET /")),
            (question(path: "a"), .path("a")), (question(path: "/a b"), .path("/a b")),
            (question(path: "/a\n"), .path("/a\n")), (question(host: "http://a"), .host("http://a")),
            (question(headers: [("", "a")]), .headerName("")), (question(headers: [("a:", "a")]), .headerName("a:")),
            (question(headers: [("a", "b\r\nc")]), .headerValue("a")),
            (question(headers: [("Host", "b")]), .hostHeader),
        ]
        for (question, error) in rows {
            #expect(throws: error) { try question.request() }
        }
    }
}
