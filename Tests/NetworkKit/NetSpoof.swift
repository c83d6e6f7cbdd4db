// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes

/// Packets that an honest sender's kernel would not send.
public enum NetSpoof {
    /// Sends one UDP datagram with any source address from the calling thread's namespace.
    public static func send(
        from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress, _ port: UInt16, payload: [UInt8]
    ) throws {
        let datagram = NetBytes.udp(from: source, sourcePort, to: destination, port, payload: payload)
        try send(packet: NetBytes.ip(from: source, to: destination, protocol: 17, payload: datagram), to: destination)
    }

    /// Sends a whole packet, its IP header included.
    public static func send(packet: [UInt8], to destination: IPAddress) throws {
        let socket = try NetSocket(destination.family, SOCK_RAW, ipProtocol: 255)  // IPPROTO_RAW: header included
        let code = socket.send(packet, to: destination)
        guard code == 0 else { throw NetError.system("send a raw packet", code) }
    }

    /// Sends a whole Ethernet frame by an interface.
    public static func send(frame: [UInt8], by interface: String) throws {
        let descriptor = socket(Int32(AF_PACKET), Int32(SOCK_RAW.rawValue), 0)
        guard descriptor >= 0 else { throw NetError.system("open a packet socket", errno) }
        defer { close(descriptor) }
        // struct sockaddr_ll: family, protocol, interface; the frame itself has the hardware addresses.
        var address = withUnsafeBytes(of: UInt16(AF_PACKET)) { Array($0) } + [0, 0]
        address += withUnsafeBytes(of: if_nametoindex(interface)) { Array($0) } + [UInt8](repeating: 0, count: 12)
        let sent = address.withUnsafeBytes { raw in
            raw.withMemoryRebound(to: sockaddr.self) {
                sendto(descriptor, frame, frame.count, 0, $0.baseAddress, socklen_t(raw.count))
            }
        }
        guard sent == frame.count else { throw NetError.system("send a frame", errno) }
    }

    /// Sends one IPv4 UDP datagram as fragments that carry `firstBytes` bytes (a multiple of eight) and the rest, the
    /// rest first when `reversed`.
    public static func sendFragments(
        from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress, _ port: UInt16, payload: [UInt8],
        firstBytes: Int, reversed: Bool
    ) throws {
        let datagram = NetBytes.udp(from: source, sourcePort, to: destination, port, payload: payload)
        let identification = UInt16.random(in: 1...(.max))
        let moreFragments: UInt16 = 0x2000
        let first = NetBytes.ip(
            from: source, to: destination, protocol: 17, payload: Array(datagram.prefix(firstBytes)),
            identification: identification, fragment: moreFragments)
        let rest = NetBytes.ip(
            from: source, to: destination, protocol: 17, payload: Array(datagram.dropFirst(firstBytes)),
            identification: identification, fragment: UInt16(firstBytes / 8))
        for packet in reversed ? [rest, first] : [first, rest] { try send(packet: packet, to: destination) }
    }
}
