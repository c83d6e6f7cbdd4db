// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import Glibc

/// What the service manager learns while the daemon serves: that everything that enforces is in place, its health in
/// words, and the beat of the watchdog.
///
/// The beat follows the same rule as `/healthz`: it stops when something is missing in the kernel and cannot be
/// restored, and when the agent does not answer any more. A restart may help then.
package struct ServiceReports: Sendable {
    private let notifier: ServiceNotifier
    private let interval: Duration
    private let startInterval: Duration
    private let health: @Sendable () async -> Health
    private let isHealthy: @Sendable () async -> Bool

    /// - Parameters:
    ///   - interval: between two beats.
    ///   - startInterval: between two attempts to be ready.
    ///   - isHealthy: whether the status is, which also knows problems that neither a restart nor time removes.
    package init(
        notifier: ServiceNotifier, interval: Duration = ServiceReports.beat(), startInterval: Duration = .seconds(1),
        health: @escaping @Sendable () async -> Health, isHealthy: @escaping @Sendable () async -> Bool = { true }
    ) {
        self.notifier = notifier
        self.interval = interval
        self.startInterval = startInterval
        self.health = health
        self.isHealthy = isHealthy
    }

    /// Reports until the task is canceled.
    package func run() async {
        guard notifier.isWanted else { return }
        var isReady = false
        while !Task.isCancelled {
            let health = await health()
            let status = ServiceNotifier.State.status(Self.text(health, isHealthy: await isHealthy()))
            switch (health.missing.isEmpty, isReady) {
            case (true, false):
                isReady = notifier.tell(.ready, .alive, status)
            case (true, true): notifier.tell(.alive, status)
            case (false, _): notifier.tell(status)
            }
            try? await Task.sleep(for: isReady ? interval : startInterval)
        }
    }

    package static func text(_ health: Health, isHealthy: Bool) -> String {
        if let missing = health.missing.first { return "not everything that enforces is in place: \(missing)" }
        if let behind = health.behind.first {
            return "what is known of policy is in force, but not the newest: \(behind)"
        }
        return isHealthy ? "policy is in force" : "policy is in force, except for what 'bulkheadctl status' reports"
    }

    /// A third of the time that the service manager waits (`WATCHDOG_USEC`), or, without a watchdog, often enough for
    /// people.
    package static func beat(
        watchdog: String? = getenv("WATCHDOG_USEC").map { String(cString: $0) },
        process: String? = getenv("WATCHDOG_PID").map { String(cString: $0) }, own: pid_t = getpid()
    ) -> Duration {
        let usual = Duration.seconds(10)
        if let process, pid_t(process) != own { return usual }
        guard let watchdog, let microseconds = Int64(watchdog), microseconds > 0 else { return usual }
        return min(usual, .microseconds(microseconds) / 3)
    }
}
