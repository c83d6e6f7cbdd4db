// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PacketKit
import Testing
import WorldKit

struct PacketTests {
    private let a = IPAddress(v4: 0x0A00_0001)
    private let b = IPAddress(v4: 0x0A00_0002)
    private let c = IPAddress(v6High: 0x2001_0DB8_0000_0000, low: 1)
    private let d = IPAddress(v6High: 0x2001_0DB8_0000_0000, low: 2)

    @Test func bytesOfUDPInIPv4() {
        let packet = Packet(
            source: a, destination: b, content: .udp(sourcePort: 40000, destinationPort: 53, payload: [1, 2]))
        #expect(
            packet.bytes == [
                0x45, 0, 0, 30,  // version and header length, service, total length
                0, 1, 0x40, 0,  // identification, don't fragment
                64, 17, 0x26, 0xCC,  // time to live, protocol, checksum
                10, 0, 0, 1, 10, 0, 0, 2,
                0x9C, 0x40, 0, 53,  // ports
                0, 10, 0x4E, 0x60,  // length, checksum
                1, 2,
            ])
    }

    @Test func bytesOfTCPInIPv6() {
        let flags = PacketContent.syn | PacketContent.ack
        let packet = Packet(
            source: c, destination: d, content: .tcp(sourcePort: 1, destinationPort: 80, flags: flags, payload: []))
        #expect(
            Array(packet.bytes.prefix(60 - 4)) == [
                0x60, 0, 0, 0, 0, 20, 6, 64,  // version, payload length, next header, hop limit
                0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
                0, 1, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x12, 0xFF, 0xFF,  // ports, numbers, flags, window
            ])
    }

    @Test func crcIsTheOneOfTheStandard() {
        // The check value of CRC32c, of the nine digits; SCTP stores the low byte first.
        #expect(PacketChecksum.sctp(Array("123456789".utf8)) == UInt32(0xE306_9283).byteSwapped)
    }

    @Test(arguments: [IPProtocol.tcp, .udp, .sctp, .icmp, .icmpv6, IPProtocol(rawValue: 47)], [4, 6])
    func whatIsBuiltIsDecoded(_ ipProtocol: IPProtocol, family: Int) throws {
        let flow = Flow(
            source: family == 4 ? a : c, destination: family == 4 ? b : d, ipProtocol: ipProtocol,
            destinationPort: ipProtocol.hasPorts ? 65535 : nil)
        var packet = Packet(flow: flow, sourcePort: 7)
        let plain = try #require(DecodedPacket(packet.bytes))
        #expect(plain.flow == flow && plain.fragment == nil && plain.hopLimit == 64)
        #expect(plain.transport?.sourcePort == (ipProtocol.hasPorts ? 7 : nil))
        #expect(DecodedPacket.checksumsAreRight(packet.bytes))

        if family == 4 {
            packet.options = [1, 1, 1]
        } else {
            packet.extensions = [
                .hopByHop([5, 2, 0, 0]), .routing(Array(repeating: 0, count: 22)),
                .destinationOptions([]),
            ]
        }
        let trimmed = try #require(DecodedPacket(packet.bytes))
        #expect(trimmed.flow == flow)
        #expect(trimmed.transport?.offset == (family == 4 ? 24 : 40 + 8 + 24 + 8))
        #expect(DecodedPacket.checksumsAreRight(packet.bytes))
    }

    @Test func wrongChecksumsAreSeen() {
        for ipProtocol in [IPProtocol.tcp, .udp, .sctp, .icmp] {
            let flow = Flow(source: a, destination: b, ipProtocol: ipProtocol, destinationPort: 1)
            for offset in [8, 22] {
                var bytes = Packet(flow: flow).bytes
                bytes[offset] ^= 1
                #expect(!DecodedPacket.checksumsAreRight(bytes), "\(ipProtocol) \(offset)")
            }
        }
    }

    @Test(arguments: [4, 6])
    func fragmentsHoldTheWhole(family: Int) throws {
        let content = PacketContent.udp(sourcePort: 1, destinationPort: 2, payload: Array(0..<100))
        var packet = Packet(source: family == 4 ? a : c, destination: family == 4 ? b : d, content: content)
        if family == 6 { packet.extensions = [.hopByHop([])] }
        let parts = packet.fragments(payloadSize: 30)
        let headerLength = family == 4 ? 20 : 40 + 8 + 8
        #expect(parts.count == 5)
        var whole: [UInt8] = []
        for (index, part) in parts.enumerated() {
            let decoded = try #require(DecodedPacket(part))
            #expect(decoded.fragment == PacketFragment(offset: index * 24, more: index < 4))
            #expect((decoded.transport == nil) == (index > 0))
            whole += part.dropFirst(headerLength)
        }
        #expect(whole == Array(packet.bytes.dropFirst(family == 4 ? 20 : 48)))
        #expect(DecodedPacket(parts[0])?.flow?.destinationPort == 2)
    }

    @Test func errorsQuoteThePacket() throws {
        let flow = Flow(source: a, destination: b, ipProtocol: .tcp, destinationPort: 80)
        let original = Packet(flow: flow).bytes
        let error = Packet.icmpError(about: original, to: a, from: b, type: 3, code: 3).bytes
        #expect(DecodedPacket.checksumsAreRight(error))
        #expect(DecodedPacket(error)?.transport?.icmpType == 3)
        #expect(DecodedPacket(Array(error.dropFirst(28)))?.flow == flow)
    }

    @Test func everyTruncationIsSurvived() throws {
        var packet = Packet(flow: Flow(source: c, destination: d, ipProtocol: .tcp, destinationPort: 80))
        packet.extensions = [.hopByHop([]), .destinationOptions(Array(repeating: 0, count: 14))]
        let bytes = packet.bytes
        let offset = 40 + 8 + 16
        for length in 0...bytes.count {
            let decoded = DecodedPacket(Array(bytes.prefix(length)))
            #expect((decoded == nil) == (length < 40))
            #expect((decoded?.transport == nil) == (length < offset + 4))
        }
        #expect(DecodedPacket([]) == nil && DecodedPacket([0x50]) == nil)
    }

    @Test func noNextHeaderIsAProtocolWithoutPorts() {
        var bytes = Packet(flow: Flow(source: c, destination: d, ipProtocol: .tcp, destinationPort: 80)).bytes
        bytes[6] = 59
        #expect(DecodedPacket(bytes)?.transport == .init(ipProtocol: IPProtocol(rawValue: 59), offset: 40))
    }

    @Test func trimmingKeepsThePacket() {
        for (source, destination) in [(a, b), (c, d)] {
            let flow = Flow(source: source, destination: destination, ipProtocol: .tcp, destinationPort: 80)
            let bytes = Packet(flow: flow).bytes
            #expect(DecodedPacket.trimmed(bytes + [1, 2, 3]) == bytes)
            #expect(DecodedPacket.trimmed(Array(bytes.prefix(30))) == Array(bytes.prefix(30)))
        }
    }

    @Test func paddingIsNoPacket() {
        var bytes = Packet(flow: Flow(source: a, destination: b, ipProtocol: .tcp, destinationPort: 80)).bytes
        bytes[3] = 22
        #expect(DecodedPacket(bytes)?.transport == nil)
    }

    @Test func mutationsAreSurvived() {
        var random = WorldRandom(seed: 3)
        var found = 0
        for index in 0..<20000 {
            let isV4 = index % 2 == 0
            let flow = Flow(
                source: isV4 ? a : c, destination: isV4 ? b : d, ipProtocol: random.pick([.tcp, .udp, .icmp, .icmpv6]),
                destinationPort: 80)
            let bytes = random.mutated(random.packet(of: flow).bytes)
            if DecodedPacket(bytes)?.transport != nil { found += 1 }
        }
        #expect(found > 5000 && found < 19000)
    }
}
