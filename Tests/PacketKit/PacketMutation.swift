// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import WorldKit

extension WorldRandom {
    /// A packet of this flow with random trimmings: options, extension headers, fragment fields, payload.
    public mutating func packet(of flow: Flow) -> Packet {
        var packet = Packet(flow: flow, sourcePort: UInt16(truncatingIfNeeded: next()))
        if chance(percent: 10), case .icmp = packet.content {
            packet.content = .icmp(type: UInt8(below(256)), code: UInt8(below(16)), rest: bytes(between(0, 40)))
        }
        if flow.source.family == .ipv4 {
            if chance(percent: 30) { packet.options = bytes(between(1, 40)) }
        } else if chance(percent: 50) {
            for _ in 0..<between(1, chance(percent: 15) ? 12 : 3) { packet.extensions.append(extensionHeader()) }
        }
        if chance(percent: 15) {
            packet.fragment = PacketFragment(
                offset: chance(percent: 40) ? 0 : between(1, 40) * 8, more: chance(percent: 60))
        }
        return packet
    }

    private mutating func extensionHeader() -> PacketExtension {
        let body = bytes(between(0, chance(percent: 10) ? 120 : 14))
        switch below(6) {
        case 0: return .hopByHop(body)
        case 1: return .routing(body)
        case 2: return .destinationOptions(body)
        case 3: return .authentication(body)
        case 4: return .other([135, 139, 140, 253][below(4)], body)
        default: return .destinationOptions([1, 4, 0, 0, 0, 0])
        }
    }

    /// Bytes flipped, overwritten, cut off or added; sometimes left alone.
    public mutating func mutated(_ packet: [UInt8]) -> [UInt8] {
        var bytes = packet
        for _ in 0..<[0, 1, 2, 5][weighted([15, 45, 25, 15])] {
            guard !bytes.isEmpty else { break }
            // Headers are where mistakes hurt.
            let offset = chance(percent: 80) ? below(min(bytes.count, 64)) : below(bytes.count)
            switch weighted([35, 25, 15, 15, 10]) {
            case 0: bytes[offset] ^= 1 << UInt8(below(8))
            case 1: bytes[offset] = [0, 1, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 132, 255][below(14)]
            case 2: bytes[offset] = UInt8(truncatingIfNeeded: next())
            case 3: bytes.removeLast(bytes.count - offset)
            default: bytes += self.bytes(between(1, 64))
            }
        }
        return bytes
    }
}
