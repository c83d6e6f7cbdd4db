// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// What the death of each process around the request proxy opens: nothing, under load.
    @Suite struct RequestKillTests {
        private static let policy = LiveRequestWorld.policy(
            "[{from: [{source: {serviceAccounts: [client]}}], to: [{operation: {paths: [\(LiveRequestLoad.allowed)]}}]}]"
        )
        /// Seconds after which allowed requests are answered again. A busy machine is late.
        private static let patience = 3.0

        private static func with(
            _ datapath: NetDatapath, _ links: NetPodLinks = .routed,
            _ body: (LiveRequestWorld, LiveRequestLoad) throws -> Void
        ) throws {
            try LiveRequestWorld.with(datapath, links, policy: policy) { live in
                let load = try LiveRequestLoad(live)
                defer { load.stop() }
                try load.waitForAnswers("at first", count: 10)
                try body(live, load)
                load.stop()
                #expect(load.counts.leaks == [])
                #expect(!live.recorder.connections.contains { $0.text.contains(LiveRequestLoad.denied) })
            }
        }

        /// While a part of the proxy is away, nothing is answered; when it is back, everything is.
        private static func expectClosed(
            _ load: LiveRequestLoad, _ what: String, back: () throws -> Void
        ) throws {
            try load.waitForRefusals(2, what)
            let before = load.counts
            try load.waitForRefusals(2, what)
            #expect(load.counts.allowed == before.allowed, "\(what)")
            try back()
            let seconds = try load.waitForAnswers("after \(what)")
            #expect(seconds < patience, "\(what)")
        }

        @Test(arguments: NetDatapath.allCases) func theProxyIsKilled(datapath: NetDatapath) throws {
            try Self.with(datapath) { live, load in
                try live.proxy.stop(.haproxy, SIGKILL)
                try Self.expectClosed(load, "HAProxy's death") { try live.proxy.start(.haproxy) }
                try live.proxy.stop(.decider, SIGKILL)
                // So long that the daemon takes the way to the proxy away.
                try NetClock.wait("the daemon to miss the proxy", seconds: 20) {
                    try live.daemon.get("/v1/status").contains("\"proxyReady\":false")
                }
                try Self.expectClosed(load, "the decider's death") { try live.proxy.start(.decider) }
                live.proxy.signal(.decider, SIGSTOP)
                try Self.expectClosed(load, "the decider's silence") { live.proxy.signal(.decider, SIGCONT) }
            }
        }

        /// The decider goes on with what it knows; a new daemon takes over without a gap.
        @Test(arguments: NetDatapath.allCases) func theDaemonIsKilled(datapath: NetDatapath) throws {
            try Self.with(datapath) { live, load in
                try live.daemon.stop(SIGKILL)
                try load.waitForAnswers("without the daemon", count: 40)
                // A decider that starts meanwhile has the last policy on disk.
                try live.proxy.stop(.decider, SIGKILL)
                try Self.expectClosed(load, "the decider's death") { try live.proxy.start(.decider) }
                let before = load.counts.refused
                try live.daemon.start()
                try live.proxy.waitUntilReady(live.daemon)
                try load.waitForAnswers("with the next daemon", count: 40)
                #expect(load.counts.refused <= before + 4, "a new daemon's start interrupts")
                // All at once.
                try live.proxy.stop(.haproxy, SIGKILL)
                try live.proxy.stop(.decider, SIGKILL)
                try live.daemon.stop(SIGKILL)
                try Self.expectClosed(load, "the death of all") {
                    try live.daemon.start()
                    try live.proxy.start()
                    try live.proxy.waitUntilReady(live.daemon)
                }
            }
        }
    }
}
