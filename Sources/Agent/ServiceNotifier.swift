// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc

/// Reports the daemon's state to the service manager (sd_notify(3)); does nothing if that did not ask for it.
public struct ServiceNotifier: Sendable {
    public enum State: Sendable, Hashable {
        case ready
        case stopping
        /// The daemon still works; without this for too long, the service manager restarts it.
        case alive
        /// One line for people, which `systemctl status` shows.
        case status(String)

        /// One line of the message.
        var line: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            case .alive: "WATCHDOG=1"
            case .status(let text): "STATUS=\(Self.oneLine(text))"
            }
        }

        /// A line end would begin another assignment.
        private static func oneLine(_ text: String) -> String {
            var line = String.UnicodeScalarView()
            for scalar in text.unicodeScalars.prefix(512) {
                line.append(scalar.value < 32 || scalar.value == 127 ? " " : scalar)
            }
            return String(line)
        }
    }

    private let path: String?

    /// Whether the service manager asked for reports.
    public var isWanted: Bool { path != nil }

    /// - Parameter path: the value of `NOTIFY_SOCKET`; nil or empty if no reports are wanted.
    public init(path: String? = getenv("NOTIFY_SOCKET").map { String(cString: $0) }) {
        self.path = path.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Sends all `states` in one message.
    ///
    /// - Returns: whether the message was sent, or none was wanted.
    @discardableResult
    public func tell(_ states: State...) -> Bool {
        guard let path else { return true }
        var bytes = Array(path.utf8)
        guard bytes.count <= ControlDefaults.socketPathLimit else { return false }
        // A leading @ stands for the zero byte of an abstract name.
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let message = Array(states.map(\.line).joined(separator: "\n").utf8)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, 0, $0, length) == message.count
            }
        }
    }
}
