// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// Requests by the real proxy, on both datapaths, routed and bridged, in both families, by address and by ClusterIP.
    @Suite(.serialized) struct RequestTests {
        private static let policy = LiveRequestWorld.policy(
            """
            [{from: [{source: {serviceAccounts: [client]}}], \
            to: [{operation: {methods: [GET, POST], paths: [/shoes, "/shoes/*"]}}]}]
            """)

        @Test(arguments: NetDatapath.allCases, NetPodLinks.allCases)
        func requestsAreDecidedOneByOne(datapath: NetDatapath, links: NetPodLinks) throws {
            try LiveRequestWorld.with(datapath, links, policy: Self.policy) { live in
                for family in AddressFamily.allCases {
                    for throughService in [false, true] {
                        let place = "\(family), \(throughService ? "ClusterIP" : "address")"
                        let connection = try live.connect(family, throughService: throughService)
                        for (path, status) in [("/shoes", 200), ("/admin", 403), ("/shoes/1", 200)] {
                            try connection.send("GET \(path) HTTP/1.1\r\nHost: shoes\r\n\r\n")
                            let response = try connection.response()
                            #expect(response?.status == status, "\(place): \(path)")
                        }
                        let target = live.target(family, throughService: throughService)
                        let probe = NetProbe(.tcp, to: target.address, port: target.port)
                        let outcome = try live.world.pod("other").namespace.run { try probe.run() }
                        #expect(outcome == .timeout, "\(place): another client")
                    }
                    let client = live.world.pod("client").address(family)
                    let peers = live.recorder.connections.map(\.peer).filter { $0.family == family }
                    #expect(!peers.isEmpty && peers.allSatisfy { $0 == client }, "\(family): \(peers)")
                }
                #expect(!live.recorder.connections.contains { $0.text.contains("/admin") })
            }
        }

        /// Rules that read headers: HAProxy sends all of them to the decider then.
        @Test func headersDecide() throws {
            let policy = LiveRequestWorld.policy(
                """
                [{when: [{key: "request.headers[X-Role]", values: [admin, "a,b"]}, \
                {key: "request.headers[x-trace]", notValues: ["0*"]}]}]
                """)
            let rows: [(headers: [String], isAllowed: Bool)] = [
                (["X-Role: admin"], true), (["x-ROLE:admin"], true), (["X-Role: admin", "X-Trace: 1"], true),
                ([], false),
                (["X-Role: user"], false), (["X-Role: admin", "X-Trace: 01"], false),
                (["X-Role: a", "X-Role: b"], true),
                (["X-Role: admin", "X-Role: b"], false), (["X-Role:", " admin"], true), (["X_Role: admin"], false),
                (["X-Role: admin\0"], false), (["X-Role: admin", "Y: " + String(repeating: "y", count: 14_500)], true),
                (["Y: " + String(repeating: "y", count: 14_500)], false),
            ]
            try LiveRequestWorld.with(.ebpf, policy: policy) { live in
                for (headers, isAllowed) in rows {
                    let connection = try live.connect()
                    let lines = (["GET /a HTTP/1.1", "Host: a"] + headers).joined(separator: "\r\n")
                    try connection.send(lines + "\r\n\r\n")
                    let status = try connection.response()?.status ?? 0
                    let isRefused = headers.contains { $0.contains("\0") }
                    #expect(status == (isAllowed ? 200 : isRefused ? 400 : 403), "\(headers.map { $0.prefix(40) })")
                }
                #expect(live.recorder.connections.count == rows.count { $0.isAllowed })
                let client = try NetHTTP2Client(live.connect())
                let role = NetHTTPMessage.Field("x-role", "admin")
                #expect(try client.ask(NetHTTP2Client.fields("GET", "/a", [role]), stream: 1).status == 200)
                #expect(try client.ask(NetHTTP2Client.fields("GET", "/a"), stream: 3).status == 403)
            }
        }
    }
}
