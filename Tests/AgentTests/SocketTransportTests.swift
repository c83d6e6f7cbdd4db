// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import Glibc
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct SocketTransportTests {
    @Test func theSocketIsTheOwnersAlone() async throws {
        try await SocketFixture.serve { fixture in
            var status = stat()
            #expect(stat(fixture.path, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o600)
            #expect(status.st_mode & S_IFMT == S_IFSOCK)
            #expect(throws: SocketFileError.self) { try SocketFile(path: fixture.path).prepare() }
        }
    }

    @Test func aStaleSocketIsReplacedAndAnotherFileIsNot() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        try write("precious", to: path)
        #expect(throws: SocketFileError.self) { try SocketFile(path: path).prepare() }
        unlink(path)
        try await onOwnThread {
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            try #require(UnixAddress(path).succeeds(bind, descriptor))
            close(descriptor)
        }
        #expect(access(path, F_OK) == 0)
        try SocketFile(path: path).prepare()
        #expect(access(path, F_OK) != 0)
        #expect(throws: SocketFileError.self) { try SocketFile(path: String(repeating: "x", count: 108)) }
    }

    @Test func aBodyThatIsTooLargeIsRefused() async throws {
        try await SocketFixture.serve { fixture in
            let body = String(repeating: "#", count: SocketFixture.bodyLimit + 1)
            let told = try await fixture.call("PUT", "/v1/objects", body)
            #expect(told.status == 413)
            #expect(told.errorCode == .bodyTooLarge)
            // Without a length, its size is unknown before it arrives.
            let chunk = "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
            let head = "PUT /v1/objects HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            let found = try RawAnswer(try await fixture.exchange(Array((head + chunk).utf8)))
            #expect(found.status == 413)
        }
    }

    @Test func garbageIsAnsweredWith400OrNothing() async throws {
        try await SocketFixture.serve { fixture in
            for garbage in [
                "\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "BREW /v1/status HTTP/1.1\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
                "GET /v1/status HTTP/1.1\r\nbad\r\n\r\n",
                "PUT /v1/objects HTTP/1.1\r\nhost: x\r\ncontent-length: nine\r\n\r\n",
            ] {
                let answer = try await fixture.exchange(Array(garbage.utf8))
                if !answer.isEmpty { #expect(try RawAnswer(answer).status == 400, "\(garbage)") }
            }
            #expect(try await fixture.call("GET", "/v1/status").status == 200)
        }
    }

    @Test func halfARequestHoldsNobodyUp() async throws {
        try await SocketFixture.serve { fixture in
            let path = fixture.path
            let half = try await onOwnThread {
                let client = try RawClient(path)
                client.send(Array("PUT /v1/objects HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\napi".utf8))
                return client
            }
            #expect(try await fixture.call("GET", "/v1/status").status == 200)
            // It ends in the middle: that is an error, and nothing is applied.
            let answer = try await onOwnThread {
                half.endSending()
                return half.receiveAll()
            }
            if !answer.isEmpty { #expect(try RawAnswer(answer).status == 400) }
            #expect(await fixture.agent.status().pushed.objects == 0)
        }
    }

    @Test func aConnectionCarriesManyRequests() async throws {
        try await SocketFixture.serve { fixture in
            let one = "GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"
            let last = String(decoding: SocketFixture.request("GET", "/v1/status"), as: UTF8.self)
            let answers = try await fixture.exchange(Array((one + one + last).utf8))
            #expect(String(decoding: answers, as: UTF8.self).components(of: "HTTP/1.1 200 OK") == 3)
        }
    }

    @Test func anotherUserIsTurnedAway() async throws {
        // Only root can become another user; otherwise the file mode alone keeps others out.
        try #require(geteuid() == 0, "this test needs root")
        try await SocketFixture.serve { fixture in
            let path = fixture.path
            chmod(fixture.base.directory.path, 0o755)
            chmod(path, 0o666)
            let answer = try await onOwnThread { try askAsNobody(path) }
            #expect(answer.status == 403)
            #expect(answer.errorCode == .forbidden)
        }
    }
}

extension String {
    /// How often `part` is in it.
    func components(of part: String) -> Int { split(separator: part, omittingEmptySubsequences: false).count - 1 }
}

/// Asks for the status in a child process that is user 65534.
private func askAsNobody(_ path: String) throws -> RawAnswer {
    let command =
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups curl -sS -i --unix-socket \(path) http://x/v1/status"
    let pipe = try #require(popen(command, "r"))
    defer { pclose(pipe) }
    var output: [UInt8] = []
    while case let byte = fgetc(pipe), byte != EOF { output.append(UInt8(truncatingIfNeeded: byte)) }
    return try RawAnswer(output)
}
