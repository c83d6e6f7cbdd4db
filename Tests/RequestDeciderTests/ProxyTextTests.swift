// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import RequestDecider
import Testing

/// What HAProxy says: lines of its log, and its list of sessions.
@Suite struct ProxyTextTests {
    private static let large = "not HTTP, or a header that is malformed or too large"
    private static let cut = "the request did not arrive as a whole"

    /// The log-format of deploy/requests/haproxy.cfg: the two variables without a separator, `-` for each missing one.
    @Test(
        arguments: [
            ("10.0.0.1:4 10.0.0.2:80 refused tls- PR-- 0", "TLS, whose requests cannot be read"),
            ("10.0.0.1:4 10.0.0.2:80 refused -- PR-- 400", large), ("refused -- PR-- 400\n", large),
            ("a b refused -- CR-- 400", cut), ("a b refused -- cR-- 408", cut), ("a b refused -- CR-- 408\n\0", cut),
            ("a b refused -- PR-- 503", "the decider did not answer"),
            ("a b refused -- LR-- 503", "the decider did not answer"),
            ("a b refused -- SC-- 503", nil), ("a b refused -deny PR-- 403", nil), ("a b refused -allow ---- 200", nil),
            ("a b refused -- PR-- 200", nil), ("a b allowed -- PR-- 400", nil), ("", nil), ("refused", nil),
            ("refused -- 400", nil), ("a b refused -- PR-- 400 more", nil), ("400 PR-- -- refused", nil),
        ] as [(String, String?)])
    func aLineHasOneReason(line: String, reason: String?) {
        #expect(ProxyReport.reason(of: line) == reason)
    }

    /// As HAProxy 2.6.12 prints it, without most of its lines.
    private static func session(
        _ id: String = "0x55b99438a440", source: String = "10.0.0.1:57732", backend: String = "through (id=3 mode=tcp)",
        to destination: String = "10.0.0.2:8080", server: String = "pod (id=1) addr=10.0.0.9:80"
    ) -> String {
        """
        \(id): [30/Nov/2026:08:08:44.930874] id=0 proto=tcpv4 source=\(source)
          flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x55b9942c5dd0, pend_pos=(nil) waiting=0
          frontend=flows (id=2 mode=tcp), listener=? (id=1) addr=\(destination)
          backend=\(backend) addr=10.0.0.1:35788
          server=\(server)
          scf=0x55b994442cb0 flags=0x00000000 state=EST endp=CONN,0x55b9944a0a60,0x028c0001 sub=1
              co0=0x55b9944a07f0 ctrl=tcpv4 xprt=RAW mux=PASS data=STRM target=LISTENER:0x55b9942c3be0
          req=0x55b99438a460 (f=0x848202 an=0x0 pipe=0 tofwd=-1 total=1)

        """
    }

    @Test func passedConnectionsAreFound() {
        let text =
            Self.session() + Self.session("0x1", backend: "requests (id=5 mode=http)")
            + Self.session("0x2", source: "fd00::1:40000", to: "fd00::2:80", server: "<NONE> (id=-1)")
            + Self.session("0x3", source: "unix:1", backend: "<NONE> (id=-1 mode=-)", server: "<NONE> (id=-1)")
            + Self.session("0x4", backend: "through2 (id=9 mode=tcp)")
        let found = PassedSession.read(text)
        #expect(found.map(\.id) == ["0x55b99438a440", "0x2"])
        #expect(found.map(\.source) == [DeciderShop.client, DeciderShop.client6])
        #expect(found.map(\.destination) == [DeciderShop.api, DeciderShop.api6])
        #expect(found.map(\.port) == [8080, 80])
    }

    /// What cannot be read is left out, and never joined with another session's parts.
    @Test(arguments: [
        session(source: "10.0.0.300:1"), session(source: "10.0.0.1"), session(source: "10.0.0.1:65536"),
        session(source: ":1"), session(source: ""), session(to: "?"), session(to: ":80"),
        session(to: "10.0.0.2:-1"), session("55b99438a440"), session("0x5; shutdown frontend flows"),
        session("0x5 6"), "0x7: source=10.0.0.1:5\n", "  frontend=flows addr=10.0.0.2:80\n  backend=through \n", "\n\n",
        "  frontend=flows addr=10.0.0.2:80\n0x7: source=10.0.0.1:5\n  backend=through (id=3)\n", "0x:", "0x",
    ])
    func hostileTextNamesNoSession(text: String) {
        #expect(PassedSession.read(text).isEmpty)
        #expect(PassedSession.read("\(text)\n" + Self.session("0x9")).map(\.id) == ["0x9"])
        #expect(PassedSession.read(String(text.dropLast(7))).isEmpty)
    }

    /// A session has one backend.
    @Test func aSessionIsFoundOnce() {
        let text = Self.session().replacing("  scf=", with: "  backend=through (id=3 mode=tcp)\n  scf=")
        #expect(PassedSession.read(text).map(\.destination) == [DeciderShop.api])
    }

    @Test func damagedTextIsReadOrLeftOut() {
        var random = SystemRandomNumberGenerator()
        let whole = Array((Self.session() + Self.session("0x2")).utf8)
        for _ in 0..<2000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: bytes.indices, using: &random)
                bytes[index] = Array("\n :=0xa".utf8).randomElement(using: &random) ?? 0
            }
            let found = PassedSession.read(String(decoding: bytes, as: UTF8.self))
            #expect(found.count <= 2)
            #expect(found.allSatisfy { $0.id.hasPrefix("0x") && $0.id.dropFirst(2).allSatisfy(\.isHexDigit) })
        }
    }
}
