// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NodeNetwork
import Testing

/// One daemon a network namespace.
@Suite struct NamespaceLockTests {
    @Test func aSecondOneIsRefusedAndNamesTheFirst() throws {
        try NetWorld.with(pods: []) { world in
            try world.node.run {
                var first: NamespaceLock? = try NamespaceLock()
                #expect(first?.problem == nil)
                let error = #expect(throws: NamespaceLockError.self) { try NamespaceLock() }
                #expect(error == .held(by: getpid()))
                #expect("\(NamespaceLockError.held(by: 7))".contains("pid 7"))
                // Another network namespace has its own.
                let elsewhere = try world.nodes[1].run { try NamespaceLock().problem }
                #expect(elsewhere == nil)
                first = nil
                let again = try NamespaceLock().problem
                #expect(again == nil)
            }
        }
    }

    /// A user without rights must not be able to keep the daemon from starting.
    @Test func aNameTakenByAnotherUserIsNoLock() throws {
        try NetWorld.with(pods: []) { world in
            let script = #"""
                $| = 1; socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un("\0bulkhead")) && listen(S, 1)
                    || die $!; print "ready\n"; sleep 60
                """#
            let squatter = try world.node.start(
                ["setpriv", "--reuid=65534", "--clear-groups", "perl", "-MSocket", "-e", script])
            defer { _ = try? squatter.stop() }
            try NetClock.wait("the name to be taken", seconds: 10) { squatter.output.contains("ready") }
            let problem = try world.node.run { try NamespaceLock().problem }
            #expect(problem?.contains("not ours") == true)
        }
    }
}
