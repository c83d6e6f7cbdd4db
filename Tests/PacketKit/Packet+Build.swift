// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension Packet {
    /// The transport header and what follows it, with its checksum.
    var segment: [UInt8] {
        var bytes: [UInt8] = []
        let checksumOffset: Int
        switch content {
        case .tcp(let sourcePort, let destinationPort, let flags, let payload):
            bytes.append16(sourcePort)
            bytes.append16(destinationPort)
            bytes.append32(1)
            bytes.append32(flags & PacketContent.ack == 0 ? 0 : 1)
            bytes += [5 << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0] + payload
            checksumOffset = 16
        case .udp(let sourcePort, let destinationPort, let payload):
            bytes.append16(sourcePort)
            bytes.append16(destinationPort)
            bytes.append16(UInt16(8 + payload.count))
            bytes += [0, 0] + payload
            checksumOffset = 6
        case .sctp(let sourcePort, let destinationPort, let chunks):
            return sctpSegment(sourcePort, destinationPort, chunks)
        case .icmp(let type, let code, let rest):
            bytes = [type, code, 0, 0] + rest
            checksumOffset = 2
        case .other(_, let payload): return payload
        }
        let hasPseudoHeader = ipProtocol != .icmp
        var sum =
            hasPseudoHeader
            ? PacketChecksum.transport(bytes, ipProtocol, source: source, destination: destination)
            : PacketChecksum.internet(bytes)
        // In UDP zero means no checksum (RFC 768).
        if ipProtocol == .udp, sum == 0 { sum = 0xFFFF }
        bytes.store16(sum, at: checksumOffset)
        return bytes
    }

    private func sctpSegment(_ sourcePort: UInt16, _ destinationPort: UInt16, _ chunks: [UInt8]) -> [UInt8] {
        // INIT, 20 bytes: tag 1, window 65536, one stream each way, first TSN 1.
        let initChunk: [UInt8] = [1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]
        var bytes: [UInt8] = []
        bytes.append16(sourcePort)
        bytes.append16(destinationPort)
        // An INIT travels with verification tag 0 (RFC 9260 section 8.5.1).
        bytes.append32(chunks.isEmpty ? 0 : 1)
        bytes += [0, 0, 0, 0] + (chunks.isEmpty ? initChunk : chunks)
        let sum = PacketChecksum.sctp(bytes)
        bytes.store16(UInt16(sum >> 16), at: 8)
        bytes.store16(UInt16(sum & 0xFFFF), at: 10)
        return bytes
    }

    /// The IP header, with options or extension headers, before `payload`.
    func header(payload: [UInt8]) -> [UInt8] {
        source.family == .ipv4 ? headerV4(payload: payload) : headerV6(payload: payload)
    }

    private func headerV4(payload: [UInt8]) -> [UInt8] {
        precondition(options.count <= 40 && extensions.isEmpty, "not an IPv4 header")
        let padded = options + Array(repeating: 0, count: (4 - options.count % 4) % 4)
        let length = 20 + padded.count
        var bytes: [UInt8] = [0x40 | UInt8(length / 4), 0]
        bytes.append16(UInt16(length + payload.count))
        bytes.append16(UInt16(truncatingIfNeeded: identification))
        bytes.append16(fragment.map { UInt16($0.offset / 8) | ($0.more ? 0x2000 : 0) } ?? 0x4000)
        bytes += [hopLimit, ipProtocol.rawValue, 0, 0]
        bytes.append(address: source)
        bytes.append(address: destination)
        bytes += padded
        bytes.store16(PacketChecksum.internet(bytes), at: 10)
        return bytes + payload
    }

    private func headerV6(payload: [UInt8]) -> [UInt8] {
        precondition(options.isEmpty, "IPv6 has no options")
        var body: [UInt8] = []
        var numbers = extensions.map(\.number)
        if fragment != nil { numbers.append(44) }
        numbers.append(ipProtocol.rawValue)
        for (index, header) in extensions.enumerated() { body += header.bytes(next: numbers[index + 1]) }
        if let fragment {
            body += [ipProtocol.rawValue, 0]
            body.append16(UInt16(fragment.offset) | (fragment.more ? 1 : 0))
            body.append32(identification)
        }
        body += payload
        var bytes: [UInt8] = [0x60, 0, 0, 0]
        bytes.append16(UInt16(body.count))
        bytes += [numbers[0], hopLimit]
        bytes.append(address: source)
        bytes.append(address: destination)
        return bytes + body
    }
}

extension Packet {
    /// The packet cut into fragments with at most `payloadSize` bytes each after the headers (rounded down to a
    /// multiple of eight, at least eight).
    public func fragments(payloadSize: Int) -> [[UInt8]] {
        let size = max(payloadSize / 8, 1) * 8
        let whole = segment
        return stride(from: 0, to: max(whole.count, 1), by: size).map { offset in
            var part = self
            part.fragment = PacketFragment(offset: offset, more: offset + size < whole.count)
            return part.header(payload: Array(whole[offset..<min(offset + size, whole.count)]))
        }
    }

    /// An ICMP error by `router` about a packet, which it quotes as far as the minimum of the standards allows
    /// (RFC 792: header and 8 bytes; RFC 1812 and RFC 4443: up to 576 or 1280 bytes in all).
    public static func icmpError(
        about packet: [UInt8], to destination: IPAddress, from router: IPAddress, type: UInt8, code: UInt8,
        quoted: Int = 528
    ) -> Packet {
        let rest: [UInt8] = [0, 0, 0, 0] + packet.prefix(quoted)
        return Packet(source: router, destination: destination, content: .icmp(type: type, code: code, rest: rest))
    }
}
