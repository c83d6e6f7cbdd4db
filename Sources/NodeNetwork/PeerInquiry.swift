// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// Queries what the kernel never reports: the addresses at the other ends of veth pairs in their own namespaces, and
/// what bridges have learned.
enum PeerInquiry {
    /// Queries the other ends of these links, or of all links.
    ///
    /// - Returns: whether anything differs from what was known.
    @discardableResult
    static func ask(_ state: inout NetworkState, links: Set<UInt32>? = nil) throws(NodeNetworkError) -> Bool {
        let before = state.peers
        let asked = state.linksByNamespace.sorted { $0.key < $1.key }.map { namespace, known in
            (namespace, known.filter { links?.contains($0.index) ?? true })
        }
        guard asked.contains(where: { !$0.1.isEmpty }) else { return false }
        var socket = try NetlinkSocket(groups: 0)
        var sequence: UInt32 = 0
        for (namespace, known) in asked where !known.isEmpty {
            for link in known {
                state.peers[link.index] = nil
                sequence += 1
                let sent = bh_route_ask_link_of(socket.descriptor, namespace, link.peerIndex, sequence)
                _ = try answer(sent, sequence, socket, into: &state)
            }
            sequence += 1
            let sent = bh_route_dump_addresses_of(socket.descriptor, namespace, sequence)
            // Do not wait for the rest of a pod's ten thousand addresses.
            if try !answer(sent, sequence, socket, into: &state) { socket = try NetlinkSocket(groups: 0) }
        }
        return state.peers != before
    }

    /// Queries bridges about ports whose other ends reveal nothing.
    ///
    /// - Returns: whether anything differs from what was known.
    @discardableResult
    static func askBridges(_ state: inout NetworkState) throws(NodeNetworkError) -> Bool {
        let before = state.bridges
        state.bridges = BridgeState()
        let ports = state.silentPorts.sorted()
        guard !ports.isEmpty else { return state.bridges != before }
        for port in ports {
            let socket = try NetlinkSocket(groups: 0)
            let sent = bh_route_dump_port(socket.descriptor, port, 1)
            guard sent == 0 else { throw .system(operation: "ask for a bridge's port", code: -sent) }
            try socket.collect(1, into: &state, atMost: entryLimit)
        }
        let socket = try NetlinkSocket(groups: 0)
        let sent = bh_route_dump(socket.descriptor, UInt16(RTM_GETNEIGH), 0, 1)
        guard sent == 0 else { throw .system(operation: "ask for neighbors", code: -sent) }
        try socket.collect(1, into: &state, atMost: neighborLimit)
        return state.bridges != before
    }

    /// Returns false if the socket is no longer usable.
    private static func answer(
        _ sent: Int32, _ sequence: UInt32, _ socket: borrowing NetlinkSocket, into state: inout NetworkState
    ) throws(NodeNetworkError) -> Bool {
        guard sent == 0 else { throw .system(operation: "ask for a pod's interface", code: -sent) }
        do throws(NodeNetworkError) {
            return try socket.collect(sequence, into: &state, atMost: addressLimit)
        } catch .system(_, let code) where refusals.contains(code) {
            // The namespace or the device is gone, or may not be queried: nothing is known about it.
            return true
        }
    }

    private static let refusals = [EINVAL, ENOENT, EACCES, EPERM, ENODEV, EOPNOTSUPP]
    /// Per namespace.
    private static let addressLimit = 1 << 10
    /// A port that leads to more does not belong to a pod.
    private static let entryLimit = 64
    /// Twice what the kernel keeps by default.
    private static let neighborLimit = 1 << 12
}
