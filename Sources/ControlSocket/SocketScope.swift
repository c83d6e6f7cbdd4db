// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc

/// What a socket of the daemon serves, and whom.
public enum SocketScope: Sendable, Hashable {
    /// Everything, to root and the daemon's own user.
    case control
    /// The calls of the node's proxy alone, to these users as well.
    case requests(users: Set<uid_t>)

    func serves(_ path: ControlPath) -> Bool {
        switch self {
        case .control: true
        case .requests: path == .requestsFollow || path == .requestCounts
        }
    }

    var paths: [ControlPath] { ControlPath.allCases.filter(serves) }

    /// Whether those who follow requests here decide about them.
    var isProxys: Bool { self != .control }

    var peers: PeerRule {
        var rule = PeerRule()
        if case .requests(let users) = self {
            rule.mayRead.formUnion(users)
            rule.mayChange.formUnion(users)
        }
        return rule
    }

    /// The mode of the socket's file. The kernel refuses clients without write permission; who connects is then
    /// checked by ``peers``.
    var fileMode: mode_t {
        if case .requests(let users) = self, !users.isEmpty { 0o666 } else { 0o600 }
    }
}
