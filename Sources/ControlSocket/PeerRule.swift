// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import ControlProtocol
import Glibc
import NIOCore

/// Who may call: root and the daemon's own user, as the kernel identifies the socket's other end.
struct PeerRule: Sendable {
    /// Users that may change what is in force.
    var mayChange: Set<uid_t> = [0, geteuid()]
    /// Users that may read.
    var mayRead: Set<uid_t> = [0, geteuid()]

    func check(_ channel: any Channel, method: ControlMethod) async throws(ErrorAnswer) {
        let allowed = method.isMutating ? mayChange : mayRead
        guard let user = await Self.user(of: channel) else {
            throw ErrorAnswer(.forbidden, "the peer's credentials cannot be read")
        }
        guard allowed.contains(user) else {
            throw ErrorAnswer(.forbidden, "user \(user) may not \(method.isMutating ? "change" : "read") policy")
        }
    }

    private static func user(of channel: any Channel) async -> uid_t? {
        guard let provider = channel as? any SocketOptionProvider else { return nil }
        let peer: bh_peer? = try? await provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        ).get()
        return peer?.user
    }
}
