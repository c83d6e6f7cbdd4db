// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// Paths that servers read in different ways, and what else is refused and counted before any rule decides.
    @Suite(.serialized) struct RequestRefusalTests {
        /// Each with the status that its request gets where a rule reads paths; nil: not even HAProxy reads it.
        private static let paths: [(path: String, status: Int, reason: String?)] = [
            ("/ok", 200, nil), ("/ok/a", 200, nil), ("/ok/%61", 200, nil), ("/ok/./a", 200, nil),
            ("/ok/a/..", 200, nil),
            ("/ok/%c3%a4", 200, nil), ("/ok/%252e", 200, nil), ("/ok?a=/../b%2F;c", 200, nil), ("/secret", 403, nil),
            ("/ok/../secret", 400, "the path as written"), ("/ok/%2e%2e/secret", 400, "the path as written"),
            ("/secret/../ok", 400, "the path as written"), ("/o%6B", 400, "the path as written"),
            ("/ok%2Fa", 400, "the path has an encoded slash"), ("/ok/%5cb", 400, "the path has an encoded slash"),
            ("/ok/%00", 400, "the path has an encoded slash"), ("/ok//a", 400, "the path has an empty segment"),
            ("//ok", 400, "the path has an empty segment"), ("/ok;a=b", 400, "the path has parameters"),
            ("/ok/..;/secret", 400, "the path has parameters"), ("/ok/\\a", 400, "the path has a backslash"),
            ("/ok/%ff", 400, "the path is not UTF-8"), ("/ok/%", 400, "the path has a malformed"),
            ("/..", 400, "the path leads above"), ("/ok/../../ok", 400, "the path leads above"),
            ("http://other/ok", 400, nil), ("/ok/\u{ff}", 400, nil), ("/ok#a", 400, nil), ("ok", 400, nil),
        ]

        @Test func paths() throws {
            try LiveRequestWorld.with(.nftables, policy: LiveRequestWorld.okPolicy) { live in
                for (path, expected, reason) in Self.paths {
                    let before = try reason.map { try live.proxy.refused($0) }
                    #expect(try status("GET \(path) HTTP/1.1", live) == expected, "\(path)")
                    if let reason, let before {
                        #expect(try live.proxy.refused(reason) == before + 1, "\(path)")
                    }
                }
                let allowed = Self.paths.filter { $0.status == 200 }.map { "GET \($0.path) HTTP/1.1" }
                #expect(live.recorder.connections.map { $0.text.prefix { $0 != "\r\n" } } == allowed.map { $0[...] })
                live.recorder.forget()
                try wherePathsAreNotRead(live)
            }
        }

        /// Without a rule that reads paths they are as the client sends them. No channel is opened that nothing reads.
        private func wherePathsAreNotRead(_ live: LiveRequestWorld) throws {
            try live.daemon.apply(LiveRequestWorld.policy("[{to: [{operation: {methods: [DELETE]}}]}]", action: "DENY"))
            try NetClock.wait("the new policy", seconds: 10) { try status("GET /secret HTTP/1.1", live) == 200 }
            live.recorder.forget()
            for (path, _, reason) in Self.paths where reason != nil {
                #expect(try status("GET \(path) HTTP/1.1", live) == 200, "\(path)")
            }
            let received = live.recorder.connections.map(\.text).filter { !$0.isEmpty }.map {
                $0.prefix { $0 != "\r\n" }
            }
            #expect(received == Self.paths.filter { $0.reason != nil }.map { "GET \($0.path) HTTP/1.1"[...] })
            live.recorder.forget()
            #expect(try status("DELETE /ok HTTP/1.1", live) == 403)
            #expect(try status("CONNECT server:80 HTTP/1.1", live, host: "server:80") == 400)
            #expect(live.recorder.byteCount == 0)
            try hostsThatAreNone(live)
        }

        /// Where a rule reads hosts, the host is one.
        private func hostsThatAreNone(_ live: LiveRequestWorld) throws {
            try live.daemon.apply(LiveRequestWorld.policy("[{to: [{operation: {hosts: [\"*.shop\"]}}]}]"))
            try NetClock.wait("the new policy", seconds: 10) {
                try status("GET /ok HTTP/1.1", live, host: "other") == 403
            }
            live.recorder.forget()
            for host in ["evil\0.shop", "evil/.shop", "evil, b.shop", "evil@b.shop", "evil b.shop", "evil%2f.shop"] {
                #expect(try status("GET /ok HTTP/1.1", live, host: host) == 400, "\(host.debugDescription)")
            }
            #expect(live.recorder.byteCount == 0)
            #expect(try status("GET /ok HTTP/1.1", live, host: "b.shop") == 200)
        }

        private func status(_ line: String, _ live: LiveRequestWorld, host: String = "a") throws -> Int? {
            let connection = try live.connect()
            try connection.send("\(line)\r\nHost: \(host)\r\n\r\n")
            return try connection.response()?.status
        }

        /// Protocols that are not HTTP, and requests that are cut.
        @Test(arguments: NetDatapath.allCases) func otherProtocols(datapath: NetDatapath) throws {
            try LiveRequestWorld.with(datapath, policy: LiveRequestWorld.okPolicy) { live in
                let rows: [(bytes: String, reason: String)] = [
                    ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}", "TLS"),
                    ("SSH-2.0-client\r\n", "not HTTP"), ("\0\u{1}\u{2}\u{3}\r\n\r\n", "not HTTP"),
                    ("EHLO a\r\n", "not HTTP"),
                    ("POST /ok HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "a request whose end"),
                ]
                for (family, row) in AddressFamily.allCases.flatMap({ family in rows.map { (family, $0) } }) {
                    try expectRefusal(row.reason, live) {
                        let connection = try live.connect(family)
                        try connection.send(row.bytes)
                        try connection.readToEnd()
                    }
                }
                #expect(live.recorder.connections.isEmpty)
                try expectRefusal("not HTTP", live) {
                    let connection = try live.connect()
                    try connection.send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\nGET /ok/cut HTTP/1.1\r\nHost: a\r\nX")
                    #expect(try connection.response()?.status == 200)
                    connection.shutDown()
                    try connection.readToEnd()
                }
                #expect(!live.recorder.connections.contains { $0.text.contains("cut") })
                // The daemon has all of it a few seconds later, whatever the datapath is.
                guard datapath == .ebpf else { return }
                try NetClock.wait("the daemon's counters", seconds: 20, every: 100) {
                    let counters = try live.daemon.get("/v1/counters")
                    return counters.contains("TLS, whose requests cannot be read")
                        && counters.contains("not HTTP, or a header that is malformed or too large")
                }
            }
        }

        private func expectRefusal(_ reason: String, _ live: LiveRequestWorld, of action: () throws -> Void) throws {
            let before = try live.proxy.refused(reason)
            try action()
            try NetClock.wait("'\(reason)' to be counted", seconds: 10, every: 50) {
                try live.proxy.refused(reason) == before + 1
            }
        }
    }
}
