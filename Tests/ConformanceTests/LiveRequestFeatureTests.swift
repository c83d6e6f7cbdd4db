// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// What HTTP/1 offers, through the real proxy, unchanged.
    @Suite(.serialized) struct RequestFeatureTests {
        typealias Field = NetHTTPMessage.Field

        @Test func http1() throws {
            try LiveRequestWorld.with(.ebpf, policy: LiveRequestWorld.okPolicy) { live in
                try fieldsPassUnchanged(live)
                try theOldestVersion(live)
                try pipelining(live)
                try chunksAndTrailers(live)
                try expectation(live)
                try webSocket(live)
                try halfClosed(live)
                try headAndLargeHeaders(live)
                try remoteProcedureCall(live)
            }
        }

        private static func text(_ startLine: String, _ fields: [Field], _ body: String = "") -> String {
            startLine + "\r\n" + fields.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n" + body
        }

        /// The last request that the server has received.
        private func lastRequest(_ live: LiveRequestWorld) throws -> NetHTTPMessage {
            var bytes = live.recorder.connections.last?.bytes ?? []
            var last: NetHTTPMessage?
            while let next = NetHTTPMessage(of: &bytes, isRequest: true) { last = next }
            return try #require(last)
        }

        /// HTTP compares names without case, and HAProxy writes them in lower case (RFC 9110, section 5.1).
        private func lowercased(_ fields: [Field]) -> [Field] { fields.map { Field($0.name.lowercased(), $0.value) } }

        private func fieldsPassUnchanged(_ live: LiveRequestWorld) throws {
            let sent = [
                Field("Host", "shop:8080"), .init("User-Agent", "a/1 (b; c)"), .init("Accept", "*/*"),
                .init("X-Many", "1"), .init("Via", "1.1 other"), .init("X-Many", "2"), .init("Cookie", "a=b; c=\"d\""),
                .init("X-Forwarded-For", "203.0.113.7"), .init("Forwarded", "for=203.0.113.7"), .init("X-Empty", ""),
                .init("Authorization", "Bearer a.b.c"), .init("Accept-Encoding", "gzip"), .init("TE", "trailers"),
                .init("Connection", "TE"), .init("If-None-Match", "W/\"e\""), .init("Content-Length", "3"),
            ]
            let connection = try live.connect()
            try connection.send(Self.text("POST /ok/a?b=/../c%2F;d HTTP/1.1", sent, "abc"))
            let response = try #require(try connection.response())
            let received = try lastRequest(live)
            #expect(received.startLine == "POST /ok/a?b=/../c%2F;d HTTP/1.1")
            #expect(received.fields == lowercased(sent))
            #expect(received.body == Array("abc".utf8))
            #expect(response.startLine == "HTTP/1.1 200 OK")
            #expect(response.fields == lowercased(NetHTTPAnswerer.fields + [.init("Content-Length", "3")]))
        }

        /// One request for each connection, or more if the client asks for that; no host is needed.
        private func theOldestVersion(_ live: LiveRequestWorld) throws {
            let one = try live.connect()
            try one.send("GET /ok HTTP/1.0\r\n\r\n")
            #expect(try one.response()?.status == 200)
            try one.readToEnd()
            #expect(try lastRequest(live).startLine == "GET /ok HTTP/1.0")
            let two = try live.connect()
            for path in ["/ok/1", "/ok/2"] {
                try two.send("GET \(path) HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(try two.response()?.status == 200)
            }
            try two.send("GET /admin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try two.response()?.status == 403)
        }

        private func pipelining(_ live: LiveRequestWorld) throws {
            let connection = try live.connect()
            let paths = ["/ok/1", "/admin", "/ok/2", "/ok/3", "/admin", "/ok/4"]
            try connection.send(paths.map { "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            let statuses = try paths.map { _ in try connection.response()?.status }
            #expect(statuses == [200, 403, 200, 200, 403, 200])
            #expect(try lastRequest(live).startLine == "GET /ok/4 HTTP/1.1")
        }

        private func chunksAndTrailers(_ live: LiveRequestWorld) throws {
            let connection = try live.connect()
            let head = "POST /ok/chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n"
            try connection.send(head + "5\r\nhello\r\n")
            // The beginning of a body is passed on before its end is there.
            try NetClock.wait("the first chunk", seconds: 10) {
                live.recorder.connections.last?.text.contains("hello") ?? false
            }
            try connection.send("3;a=b\r\nyou\r\n0\r\nX-Up: 7\r\n\r\n")
            let response = try #require(try connection.response())
            #expect(response.body == Array(NetHTTPAnswerer.body.utf8))
            #expect(response.trailers == [.init("x-sum", "1")])
            let received = try lastRequest(live)
            #expect(received.body == Array("helloyou".utf8))
            #expect(received.trailers == [.init("x-up", "7")])
        }

        private func expectation(_ live: LiveRequestWorld) throws {
            let connection = try live.connect()
            let fields = [Field("Host", "a"), .init("Content-Length", "3"), .init("Expect", "100-continue")]
            try connection.send(Self.text("POST /ok HTTP/1.1", fields))
            #expect(try connection.response()?.status == 100)
            try connection.send("abc")
            #expect(try connection.response()?.status == 200)
            let denied = try live.connect()
            try denied.send(Self.text("POST /admin HTTP/1.1", fields))
            #expect(try denied.response()?.status == 403)
        }

        /// Bytes both ways after the upgrade, and one direction that ends before the other.
        private func webSocket(_ live: LiveRequestWorld) throws {
            let connection = try live.connect()
            let fields = [
                Field("Host", "a"), .init("Connection", "Upgrade"), .init("Upgrade", "websocket"),
                .init("Sec-WebSocket-Key", NetHTTPAnswerer.webSocketKey.request), .init("Sec-WebSocket-Version", "13"),
            ]
            try connection.send(Self.text("GET /ok/ws HTTP/1.1", fields))
            #expect(try connection.response()?.status == 101)
            #expect(try lastRequest(live).fields == lowercased(fields))
            let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
            try connection.send(bytes)
            try connection.read("the echo") { $0.received.count >= bytes.count }
            #expect(connection.take(bytes.count) == bytes)
            connection.shutDown()
            try connection.readToEnd()
            let denied = try live.connect()
            try denied.send(Self.text("GET /admin/ws HTTP/1.1", fields))
            #expect(try denied.response()?.status == 403)
        }

        /// The client has said all; the server goes on speaking.
        private func halfClosed(_ live: LiveRequestWorld) throws {
            // The end comes with the connection's first request, or while the answer is under way.
            for isEarly in [true, false] {
                let connection = try live.connect()
                try connection.send("GET /ok/stream HTTP/1.1\r\nHost: a\r\n\r\n")
                if isEarly { connection.shutDown() }
                try connection.read("the header") { $0.received.firstRange(of: Array("\r\n\r\n".utf8)) != nil }
                connection.shutDown()
                #expect(!connection.isEnded)
                let number = try #require(live.recorder.connections.last?.number)
                for piece in ["a", "b", "c"] {
                    NetClock.sleep(milliseconds: 50)
                    try live.recorder.send(Array("1\r\n\(piece)\r\n".utf8), on: number)
                }
                try live.recorder.send(Array("0\r\n\r\n".utf8), on: number)
                #expect(try connection.response()?.body == Array("abc".utf8))
                try connection.readToEnd()
            }
            // Whenever the end comes, the answer does.
            for count in 0..<20 {
                let connection = try live.connect()
                try connection.send("GET /\(count % 2 == 0 ? "ok" : "admin") HTTP/1.0\r\n\r\n")
                NetClock.sleep(milliseconds: Double(count) / 20)
                connection.shutDown()
                #expect(try connection.response()?.status == (count % 2 == 0 ? 200 : 403))
            }
            #expect(live.recorder.connections.last?.peer == live.world.pod("client").v4)
        }

        private func headAndLargeHeaders(_ live: LiveRequestWorld) throws {
            let connection = try live.connect()
            try connection.send("HEAD /ok HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try connection.response(isBodyless: true)
            #expect(response?.status == 200 && response?.values("content-length") == ["3"])
            let large = String(repeating: "x", count: 15_000)
            try connection.send("GET /ok HTTP/1.1\r\nHost: a\r\nX-Large: \(large)\r\n\r\n")
            #expect(try connection.response()?.status == 200)
            #expect(try lastRequest(live).values("x-large") == [large])
            let refused = try live.proxy.refused("not HTTP")
            try connection.send("GET /ok HTTP/1.1\r\nHost: a\r\nX-Large: \(large)\(large)\r\n\r\n")
            #expect(try connection.response()?.status == 400)
            try NetClock.wait("the refusal to be counted", seconds: 10, every: 50) {
                try live.proxy.refused("not HTTP") > refused
            }
            #expect(try lastRequest(live).values("x-large") == [large])
        }

        /// A denied call gets gRPC's own answer (PERMISSION_DENIED), without a body to read.
        private func remoteProcedureCall(_ live: LiveRequestWorld) throws {
            let connection = try live.connect()
            try connection.send(
                "POST /admin HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc+proto\r\nContent-Length: 0\r\n\r\n")
            let response = try connection.response()
            #expect(response?.status == 200 && response?.values("grpc-status") == ["7"])
            #expect(response?.values("content-type") == ["application/grpc"])
        }
    }
}
