// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Testing

@Suite struct ReplyTests {
    private func read(_ text: String, isWhole: Bool = true) throws(CNIError) -> ControlReply? {
        try ControlReply.read(Array(text.utf8), isWhole: isWhole)
    }

    @Test func anAnswerIsReadHoweverItIsCut() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        for count in 0..<text.utf8.count {
            #expect(try ControlReply.read(Array(text.utf8.prefix(count)), isWhole: false) == nil)
            #expect(throws: CNIError.self) { try ControlReply.read(Array(text.utf8.prefix(count)), isWhole: true) }
        }
        let reply = try #require(try read(text))
        #expect(reply.status == 200 && reply.body == Array("{}".utf8))
        #expect(try read("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n")?.body == [])
    }

    @Test(arguments: [
        "SSH-2.0-x\r\n\r\n", "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1",
        "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]) func whatIsNoAnswerIsRefused(text: String) {
        do throws(CNIError) {
            _ = try read(text, isWhole: false)
            Issue.record("read: \(text)")
        } catch {
            #expect(error.code == .malformedAnswer)
        }
    }

    @Test func headersHaveALimit() {
        let endless = "HTTP/1.1 200 OK\r\n" + String(repeating: "x: y\r\n", count: 4000)
        #expect(throws: CNIError.self) { _ = try read(endless, isWhole: false) }
    }
}
