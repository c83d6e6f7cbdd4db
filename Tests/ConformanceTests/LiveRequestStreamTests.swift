// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// HTTP/2 with prior knowledge, long streams, and changes of policy under them.
    @Suite(.serialized) struct RequestStreamTests {
        @Test(arguments: NetDatapath.allCases) func http2(datapath: NetDatapath) throws {
            try LiveRequestWorld.with(datapath, policy: LiveRequestWorld.okPolicy) { live in
                for family in AddressFamily.allCases { try oneByOne(live, family) }
                try bodiesAndTrailers(live)
                try bothWaysAtOnce(live)
                try webSocket(live)
                try remoteProcedureCall(live)
                #expect(live.http2Requests.allSatisfy { $0.value(":path")?.hasPrefix("/ok") ?? false })
                try aChangeHoldsForTheNextRequest(live)
            }
        }

        private func oneByOne(_ live: LiveRequestWorld, _ family: AddressFamily) throws {
            let client = try NetHTTP2Client(live.connect(family, throughService: true))
            let more = [NetHTTPMessage.Field("x-many", "1"), .init("x-many", "2"), .init("te", "trailers")]
            let allowed = try client.ask(NetHTTP2Client.fields("GET", "/ok/a?b", more), stream: 1)
            #expect(allowed.status == 200 && allowed.body == Array(NetHTTPAnswerer.body.utf8), "\(family)")
            #expect(
                allowed.fields.dropFirst() == NetHTTPAnswerer.fields.map { .init($0.name.lowercased(), $0.value) }[...])
            let denied = try client.ask(NetHTTP2Client.fields("GET", "/admin"), stream: 3)
            #expect(denied.status == 403, "\(family)")
            #expect(try client.ask(NetHTTP2Client.fields("HEAD", "/ok"), stream: 5).status == 200, "\(family)")
            let received = try #require(live.http2Requests.first { $0.value(":path") == "/ok/a?b" })
            #expect(Set(received.fields) == Set(NetHTTP2Client.fields("GET", "/ok/a?b", more)))
            #expect(received.fields.filter { $0.name == "x-many" }.map(\.value) == ["1", "2"])
            let peers = live.recorder.connections.map(\.peer).filter { $0.family == family }
            #expect(!peers.isEmpty && peers.allSatisfy { $0 == live.world.pod("client").address(family) })
        }

        private func bodiesAndTrailers(_ live: LiveRequestWorld) throws {
            let client = try NetHTTP2Client(live.connect())
            try client.send(
                .headers(NetHTTP2Client.fields("POST", "/ok/trailers"), stream: 1, ends: false),
                .data(Array("abc".utf8), stream: 1, ends: false),
                .headers([.init("x-up", "7")], stream: 1, ends: true))
            try client.read("the response") { $0.message(1)?.isEnded ?? false }
            let response = try #require(client.reader.message(1))
            #expect(response.status == 200 && response.trailers == [NetHTTP2Answerer.trailer])
            let received = try #require(live.http2Requests.first { $0.value(":path") == "/ok/trailers" })
            #expect(received.body == Array("abc".utf8) && received.trailers == [.init("x-up", "7")])
        }

        /// Either side speaks while the other has not finished.
        private func bothWaysAtOnce(_ live: LiveRequestWorld) throws {
            let client = try NetHTTP2Client(live.connect())
            try client.send(.headers(NetHTTP2Client.fields("POST", "/ok/stream"), stream: 1, ends: false))
            try client.read("the response's header") { $0.message(1)?.status == 200 }
            let number = try #require(live.recorder.connections.last?.number)
            for round in 1...5 {
                let text = Array("piece \(round);".utf8)
                try client.send(.data(text, stream: 1, ends: false))
                try NetClock.wait("the client's piece", seconds: 10) {
                    live.http2Requests.contains { $0.body.suffix(text.count) == text[...] }
                }
                try live.recorder.send(NetHTTP2Frame.data(text, stream: 1, ends: round == 5).bytes, on: number)
                try client.read("the server's piece") { $0.message(1)?.body.suffix(text.count) == text[...] }
            }
            #expect(client.reader.message(1)?.isEnded == true)
        }

        /// A stream becomes a WebSocket's channel (RFC 8441). To policy it is GET, as in HTTP/1.
        private func webSocket(_ live: LiveRequestWorld) throws {
            let client = try NetHTTP2Client(live.connect())
            func ask(_ path: String, _ name: String, stream: UInt32) throws -> Int? {
                let fields = NetHTTP2Client.fields("CONNECT", path, [.init(":protocol", name)])
                try client.send(.headers(fields, stream: stream, ends: false))
                try client.read("the answer to \(name)") { $0.message(stream)?.status ?? 0 != 0 }
                return client.reader.message(stream)?.status
            }
            #expect(try ask("/ok/ws", "websocket", stream: 1) == 200)
            let number = try #require(live.recorder.connections.last?.number)
            let text = Array("frame".utf8)
            try client.send(.data(text, stream: 1, ends: false))
            try NetClock.wait("the client's frame", seconds: 10) { live.http2Requests.contains { $0.body == text } }
            try live.recorder.send(NetHTTP2Frame.data(text, stream: 1, ends: false).bytes, on: number)
            try client.read("the server's frame") { $0.message(1)?.body == text }
            #expect(try ask("/admin/ws", "websocket", stream: 3) == 403)
            #expect(try ask("/ok/ws", "other", stream: 5) == 400)
        }

        private func remoteProcedureCall(_ live: LiveRequestWorld) throws {
            let client = try NetHTTP2Client(live.connect())
            let fields = NetHTTP2Client.fields("POST", "/admin", [.init("content-type", "application/grpc")])
            let denied = try client.ask(fields, body: [0, 0, 0, 0, 0], stream: 1)
            #expect(denied.status == 200 && denied.value("grpc-status") == "7")
            #expect(denied.value("content-type") == "application/grpc")
            let allowed = NetHTTP2Client.fields("POST", "/ok/call", [.init("content-type", "application/grpc")])
            #expect(try client.ask(allowed, body: [0, 0, 0, 0, 0], stream: 3).status == 200)
        }

        private func aChangeHoldsForTheNextRequest(_ live: LiveRequestWorld) throws {
            let client = try NetHTTP2Client(live.connect())
            let fields = NetHTTP2Client.fields("GET", "/ok")
            #expect(try client.ask(fields, stream: 1).status == 200)
            try live.daemon.apply(LiveRequestWorld.narrowPolicy)
            var stream: UInt32 = 1
            try NetClock.wait("GET to be denied", seconds: 10) {
                stream += 2
                return try client.ask(fields, stream: stream).status == 403
            }
            #expect(try client.ask(NetHTTP2Client.fields("POST", "/ok"), stream: stream + 2).status == 200)
        }

        @Test(arguments: NetDatapath.allCases, NetPodLinks.allCases)
        func aChangeHoldsForTheNextRequest(datapath: NetDatapath, links: NetPodLinks) throws {
            try LiveRequestWorld.with(datapath, links, policy: LiveRequestWorld.okPolicy) { live in
                let kept = try live.connect(.ipv6, throughService: true)
                #expect(try status("GET", on: kept) == 200)
                let streaming = try live.connect()
                try streaming.send("GET /ok/stream HTTP/1.1\r\nHost: a\r\n\r\n")
                try streaming.read("the header") { $0.received.firstRange(of: Array("\r\n\r\n".utf8)) != nil }
                let number = try #require(live.recorder.connections.last?.number)
                // Nothing reads the other pod's requests.
                let passed = try live.connect(from: "other")
                try passed.send("DELETE /any HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try passed.response()?.status == 200)
                try live.daemon.apply(LiveRequestWorld.narrowPolicy)
                try NetClock.wait("GET to be denied", seconds: 10) { try status("GET", on: kept) == 403 }
                #expect(try status("POST", on: kept) == 200)
                // A response that has begun goes on.
                let piece = [UInt8](repeating: 7, count: 65_536)
                for _ in 0..<16 {
                    try live.recorder.send(Array("10000\r\n".utf8) + piece + [13, 10], on: number)
                    streaming.read(milliseconds: 10)
                }
                try live.recorder.send(Array("0\r\n\r\n".utf8), on: number)
                #expect(try streaming.response()?.body.count == 16 * piece.count)
                #expect(try status("GET", on: streaming) == 403)
                // What passed unread ends, and its next connection is read.
                try passed.readToEnd()
                let read = try live.connect(from: "other")
                #expect(try status("GET", on: read) == 403)
                #expect(try status("POST", on: read) == 200)
            }
        }

        private func status(_ method: String, on connection: NetConnection) throws -> Int? {
            try connection.send("\(method) /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            return try connection.response()?.status
        }
    }
}

extension LiveRequestWorld {
    /// All requests in HTTP/2 that the server has received.
    var http2Requests: [NetHTTP2Reader.Message] {
        recorder.connections.flatMap { connection in
            guard connection.bytes.starts(with: NetHTTP2Frame.preface) else { return [NetHTTP2Reader.Message]() }
            var reader = NetHTTP2Reader()
            reader.read(Array(connection.bytes.dropFirst(NetHTTP2Frame.preface.count)))
            return reader.messages
        }
    }
}
