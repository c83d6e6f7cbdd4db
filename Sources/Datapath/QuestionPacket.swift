// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The first packet of a question's flow as bytes, from the IP header on: as a host would send it, except for
/// checksums, which no rule of a datapath reads.
public struct QuestionPacket: Sendable, Hashable {
    public var bytes: [UInt8]
    /// Bytes of the IP header.
    public var headerBytes: Int

    private static let hopLimit: UInt8 = 64

    public init(_ question: KernelQuestion) {
        let flow = question.flow
        let content = Self.content(flow, question.sourcePort)
        if flow.source.family == .ipv4 {
            bytes = [0x45, 0] + Self.big(UInt16(20 + content.count)) + [0, 0, 0x40, 0]
            bytes += [Self.hopLimit, flow.ipProtocol.rawValue, 0, 0]
            bytes += Self.big(flow.source.v4) + Self.big(flow.destination.v4)
        } else {
            bytes = [0x60, 0, 0, 0] + Self.big(UInt16(content.count)) + [flow.ipProtocol.rawValue, Self.hopLimit]
            for address in [flow.source, flow.destination] { bytes += Self.big(address.high) + Self.big(address.low) }
        }
        headerBytes = bytes.count
        bytes += content
    }

    private static func content(_ flow: Flow, _ sourcePort: UInt16) -> [UInt8] {
        let ports = big(sourcePort) + big(flow.destinationPort ?? 0)
        switch flow.ipProtocol {
        // RFC 9293: SYN, a header of five words.
        case .tcp: return ports + big(UInt64(1) << 32) + [0x50, 0x02] + big(UInt16(0xffff)) + big(UInt32(0))
        case .udp: return ports + big(UInt16(8)) + [0, 0]
        // RFC 9260: an INIT chunk with one stream each way.
        case .sctp:
            return ports + big(UInt64(0)) + [1, 0, 0, 20] + big(UInt32(1)) + big(UInt32(0xffff))
                + big(UInt32(0x0001_0001)) + big(UInt32(1))
        // RFC 792, RFC 4443: an echo request.
        case .icmp: return [8, 0, 0, 0, 0, 1, 0, 1]
        case .icmpv6: return [128, 0, 0, 0, 0, 1, 0, 1]
        default: return [UInt8](repeating: 0, count: 8)
        }
    }

    private static func big(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
