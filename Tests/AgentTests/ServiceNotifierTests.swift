// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlSocket
import Glibc
import Synchronization
import Testing

@Suite struct ServiceNotifierTests {
    /// The socket of a service manager.
    private final class Manager: Sendable {
        private let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)

        /// - Parameter name: as in `NOTIFY_SOCKET`.
        init(_ name: String) throws {
            try #require(UnixAddress(name).succeeds(bind, descriptor))
        }

        deinit { close(descriptor) }

        /// The lines of the next message; empty if none comes.
        func message() async throws -> [String] {
            for _ in 0..<30_000 {
                var buffer = [UInt8](repeating: 0, count: 4096)
                let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                guard count <= 0 else {
                    return String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n").map(String.init)
                }
                try await Task.sleep(for: .milliseconds(1))
            }
            return []
        }
    }

    @Test func theServiceManagerIsTold() async throws {
        let directory = try TemporaryDirectory()
        for name in [directory.path + "/notify", "@bulkhead-notify-\(getpid())"] {
            let manager = try Manager(name)
            let notifier = ServiceNotifier(path: name)
            #expect(notifier.tell(.ready, .status("a\nSTOPPING=1")))
            #expect(notifier.tell(.alive) && notifier.tell(.stopping))
            #expect(try await manager.message() == ["READY=1", "STATUS=a STOPPING=1"])
            #expect(try await manager.message() == ["WATCHDOG=1"])
            #expect(try await manager.message() == ["STOPPING=1"])
        }
    }

    @Test func nobodyAsked() {
        #expect(ServiceNotifier(path: nil).tell(.ready))
        #expect(ServiceNotifier(path: "").tell(.ready))
        #expect(!ServiceNotifier(path: "/tmp/bulkhead-nobody-listens").tell(.ready))
        #expect(!ServiceNotifier(path: String(repeating: "x", count: 200)).tell(.ready))
    }

    /// Ready only when everything is in place; no beat while something is missing; beats while only behind.
    @Test func theWatchdogFollowsHealth() async throws {
        let name = "@bulkhead-watchdog-\(getpid())"
        let manager = try Manager(name)
        let health = Mutex(Health(missing: ["the link is gone"]))
        let reports = ServiceReports(
            notifier: ServiceNotifier(path: name), interval: .milliseconds(5), startInterval: .milliseconds(5)
        ) {
            health.withLock { $0 }
        }
        let task = Task { await reports.run() }
        defer { task.cancel() }
        let lost = ["STATUS=not everything that enforces is in place: the link is gone"]
        #expect(try await manager.message() == lost)

        health.withLock { $0 = Health() }
        let ready = try await next(from: manager) { $0 != lost }
        #expect(ready == ["READY=1", "WATCHDOG=1", "STATUS=policy is in force"])
        #expect(try await manager.message() == ["WATCHDOG=1", "STATUS=policy is in force"])

        health.withLock { $0 = Health(behind: ["a list is missing"]) }
        let behind = try await next(from: manager) { $0 != ["WATCHDOG=1", "STATUS=policy is in force"] }
        let known = "what is known of policy is in force, but not the newest: a list is missing"
        #expect(behind == ["WATCHDOG=1", "STATUS=\(known)"])

        health.withLock { $0 = Health(missing: ["the link is gone"], behind: ["a list is missing"]) }
        #expect(try await next(from: manager) { $0 != behind } == lost)
        #expect(try await manager.message() == lost)
    }

    private func next(from manager: Manager, where isWanted: ([String]) -> Bool) async throws -> [String] {
        for _ in 0..<10_000 {
            let message = try await manager.message()
            if isWanted(message) { return message }
        }
        return []
    }

    @Test func aProblemThatNoRestartRemovesIsInTheSummary() {
        let text = "policy is in force, except for what 'bulkheadctl status' reports"
        #expect(ServiceReports.text(Health(), isHealthy: false) == text)
        #expect(ServiceReports.text(Health(), isHealthy: true) == "policy is in force")
    }

    @Test func theBeatIsThreeTimesAsFastAsTheWatchdog() {
        #expect(ServiceReports.beat(watchdog: "6000000", process: nil) == .seconds(2))
        #expect(ServiceReports.beat(watchdog: "6000000", process: "7", own: 7) == .seconds(2))
        #expect(ServiceReports.beat(watchdog: "6000000", process: "8", own: 7) == .seconds(10))
        #expect(ServiceReports.beat(watchdog: "60000000", process: nil) == .seconds(10))
        for unset in [nil, "", "0", "-5", "x"] {
            #expect(ServiceReports.beat(watchdog: unset, process: nil) == .seconds(10))
        }
    }
}
