// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// Requests by the real proxy, on both datapaths, routed and bridged, in both families, by address and by ClusterIP.
    @Suite struct RequestTests {
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
    }
}
