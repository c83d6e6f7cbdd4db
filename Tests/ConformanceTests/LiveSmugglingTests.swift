// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// Requests hidden in others: whatever a client sends, in whatever way the server reads it, no request reaches the
    /// server that policy denies.
    @Suite struct SmugglingTests {
        /// The readings find the hidden requests in what a client sends: that they find none at the server says something.
        @Test func theReadingsFindHiddenRequests() {
            for row in SmugglingRow.all where row.isTrick {
                let found = RequestReading.requests(in: row.bytes)
                #expect(found.contains { !$0.isAllowed }, "\(row): \(found)")
            }
        }

        @Test(arguments: NetDatapath.allCases) func http1(datapath: NetDatapath) throws {
            try LiveRequestWorld.with(datapath, policy: LiveRequestWorld.okPolicy) { live in
                let connections = try SmugglingRow.all.map { row in
                    let connection = try live.connect()
                    try connection.send(row.bytes)
                    return connection
                }
                try end(connections, live)
                for connection in live.recorder.connections {
                    for request in RequestReading.requests(in: connection.bytes) where !request.isAllowed {
                        Issue.record("\(request) reached the server in: \(connection.text)")
                    }
                }
                // Those whose first request is a good one in every reading have brought it to the server.
                #expect(live.recorder.connections.count > 20)
                let unread = zip(SmugglingRow.all, connections).first { $0.0.description == "CONNECT" }?.1
                #expect(try unread?.response()?.status == 400)
            }
        }

        /// The same with HTTP/2's own tricks: each stream is a request of its own, so each field is one.
        @Test func http2() throws {
            try LiveRequestWorld.with(.ebpf, policy: LiveRequestWorld.okPolicy) { live in
                let connections = try SmugglingStream.all.map { row in
                    let client = try NetHTTP2Client(live.connect())
                    try client.connection.send(row.frames.flatMap(\.bytes))
                    return client.connection
                }
                try end(connections, live)
                for request in live.http2Requests {
                    let target = request.fields.filter { $0.name == ":path" }.map(\.value)
                    let method = request.fields.filter { $0.name == ":method" }.map(\.value)
                    let read = RequestReading.Request(
                        method: method.first ?? "", target: target.first ?? "", host: request.value(":authority") ?? "")
                    let isWhole = target.count == 1 && method.count == 1
                    #expect(isWhole && read.isAllowed || request.isWebSocket, "\(request)")
                    let isClean = (request.fields + request.trailers).allSatisfy { field in
                        !(field.name + field.value).unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
                            && !["transfer-encoding", "connection", "upgrade"].contains(field.name)
                    }
                    #expect(isClean, "\(request)")
                }
                #expect(live.http2Requests.count > 5)
                #expect(
                    !live.recorder.connections.dropLast().contains { !$0.bytes.starts(with: NetHTTP2Frame.preface) })
            }
        }

        /// Ends all connections once what they sent has been answered, and waits until the server has seen the ends.
        private func end(_ connections: [NetConnection], _ live: LiveRequestWorld) throws {
            // What is refused is closed, what is allowed is answered; the rest waits for a body's end.
            for connection in connections { connection.read(milliseconds: 100) }
            for connection in connections { connection.shutDown() }
            for connection in connections { try connection.readToEnd() }
            let marker = try live.connect()
            try marker.send("GET /ok/marker HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try marker.response()?.status == 200)
            try NetClock.wait("the server's connections to end", seconds: 20) {
                live.recorder.connections.dropLast().allSatisfy(\.isEnded)
            }
        }
    }
}

extension NetHTTP2Reader.Message {
    /// Whether it is a way for WebSocket (RFC 8441) by an allowed path.
    var isWebSocket: Bool {
        value(":method") == "CONNECT" && value(":protocol") == "websocket" && value(":path") == "/ok/ws"
    }
}

/// Frames by which a client of HTTP/2 tries to say what the proxy does not see.
struct SmugglingStream: CustomStringConvertible {
    typealias Field = NetHTTPMessage.Field

    let description: String
    let frames: [NetHTTP2Frame]

    /// A request of GET by these fields.
    init(_ description: String, _ fields: [Field]) {
        self.init(description, frames: [.headers(fields, stream: 1, ends: true)])
    }

    init(_ description: String, frames: [NetHTTP2Frame]) {
        self.description = description
        self.frames = frames
    }

    private static func fields(
        method: String = "GET", path: String = "/ok", authority: String = "a", scheme: String = "http",
        _ more: [Field] = []
    ) -> [Field] {
        [
            Field(":method", method), .init(":scheme", scheme), .init(":path", path), .init(":authority", authority),
        ] + more
    }

    private static func post(_ description: String, _ more: [Field], _ body: String) -> SmugglingStream {
        SmugglingStream(
            description,
            frames: [
                .headers(fields(method: "POST", more), stream: 1, ends: false),
                .data(body.latin1, stream: 1, ends: true),
            ])
    }

    static let all = [SmugglingStream("nothing hidden", fields())] + parts + headers + bodies

    /// The parts of a request line.
    private static let parts =
        [
            "/ok HTTP/1.1\r\nHost: a\r\n\r\nGET /secret", "/ok /secret", "/ok\t/secret", "/ok\0", "", "ok",
            "/ok#/secret",
            "http://a/secret", "http://b/ok", "*", "/secret", "/ok/../secret", "/ok/%2e%2e/secret", "/ok\r",
            "/ok/\u{ff}",
        ].map { SmugglingStream("path \($0.debugDescription)", fields(path: $0)) }
        + ["GET /secret HTTP/1.1\r\nA:", "GET /secret", "", "DELETE", "get", "CONNECT", "PRI"].map {
            SmugglingStream("method \($0.debugDescription)", fields(method: $0))
        }
        + ["a\r\nX: y", "a b", "a\0b", "a/secret?", "a@b", ""].map {
            SmugglingStream("authority \($0.debugDescription)", fields(authority: $0))
        }
        + ["http://a/secret?", "http\r\n", "", "file"].map {
            SmugglingStream("scheme \($0.debugDescription)", fields(scheme: $0))
        } + [
            SmugglingStream("two paths", fields([.init(":path", "/secret")])),
            SmugglingStream("two methods", [Field(":method", "DELETE")] + fields()),
            SmugglingStream("a path behind a header", [Field("x", "y")] + fields(path: "/secret")),
            SmugglingStream("an unknown part", [Field(":target", "/secret")] + fields()),
            SmugglingStream("no path", fields().filter { $0.name != ":path" }),
            SmugglingStream("no method", fields().filter { $0.name != ":method" }),
        ]

    private static let headers = [
        Field("host", "b"), .init("transfer-encoding", "chunked"), .init("connection", "upgrade"),
        .init("upgrade", "h2c"),
        .init("x", "y\r\nz: w"), .init("x", "y\nz: w"), .init("x", "y\0"), .init("x: y", "z"), .init("x\r\ny", "z"),
        .init("x ", "z"), .init("", "z"), .init("X", "y"), .init("te", "gzip"), .init("keep-alive", "1"),
        .init("proxy-connection", "close"), .init("content-length", "5"),
    ].map { SmugglingStream("header \($0.name.debugDescription): \($0.value.debugDescription)", fields([$0])) }

    private static let bodies = [
        post("a body that is longer", [.init("content-length", "1")], "a" + SmugglingRow.hidden),
        post("a body that is shorter", [.init("content-length", "99")], SmugglingRow.hidden),
        post("two lengths", [.init("content-length", "0"), .init("content-length", "33")], SmugglingRow.hidden),
        post("a length of 64 bits", [.init("content-length", "18446744073709551619")], "abc"),
        post("chunks", [.init("transfer-encoding", "chunked")], "0\r\n\r\n" + SmugglingRow.hidden),
        tunnel("CONNECT", []), tunnel("WebSocket", [.init(":protocol", "websocket"), .init(":path", "/ok/ws")]),
        tunnel("WebSocket, denied", [.init(":protocol", "websocket"), .init(":path", "/secret/ws")]),
        tunnel("another protocol", [.init(":protocol", "h2c"), .init(":path", "/ok/ws")]),
        SmugglingStream(
            "a trailer with a path",
            frames: [
                .headers(fields(method: "POST"), stream: 1, ends: false), .data([65], stream: 1, ends: false),
                .headers([.init(":path", "/secret")], stream: 1, ends: true),
            ]),
        SmugglingStream(
            "a trailer with a host",
            frames: [
                .headers(fields(method: "POST"), stream: 1, ends: false), .data([65], stream: 1, ends: false),
                .headers([.init("host", "b"), .init("content-length", "0")], stream: 1, ends: true),
            ]),
    ]

    private static func tunnel(_ description: String, _ more: [Field]) -> SmugglingStream {
        let scheme = more.isEmpty ? [] : [Field(":scheme", "http")]
        let fields = [Field(":method", "CONNECT")] + scheme + [.init(":authority", "a")] + more
        return SmugglingStream(
            description,
            frames: [
                .headers(fields, stream: 1, ends: false), .data(SmugglingRow.hidden.latin1, stream: 1, ends: false),
            ])
    }
}
