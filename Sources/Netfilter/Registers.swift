// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import NetworkTypes

/// The registers of a rule, and what its terms say about a packet.
struct Registers {
    enum Result {
        case holds
        /// A term does not hold, or the packet lacks what it reads.
        case fails
        /// A key or an operation that Bulkhead never writes.
        case isUnknown(String)
    }

    private var content = [UInt8](repeating: 0, count: 64)

    func bytes(_ from: Int, _ count: Int) -> [UInt8] { Array(content[from..<min(from + count, content.count)]) }

    /// The last four bytes are filled up with zeros, as the kernel does.
    private mutating func store(_ bytes: some Collection<UInt8>, _ to: Int) -> Result {
        let padded = Array(bytes) + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
        guard to + padded.count <= content.count else { return .fails }
        content.replaceSubrange(to..<to + padded.count, with: padded)
        return .holds
    }

    private mutating func store(host number: UInt32, _ to: Int) -> Result {
        store(withUnsafeBytes(of: number) { Array($0) }, to)
    }

    mutating func evaluate(_ expression: KernelExpression, _ packet: WalkedPacket) -> Result {
        switch expression {
        case .meta(let key, let to): meta(key, to, packet)
        case .connection(let key, let direction, let to): connection(key, direction, to, packet)
        case .payload(let base, let offset, let byteCount, let to): payload(base, offset, byteCount, to, packet)
        // A question's packet has none.
        case .extensionHeader(_, let to): packet.family == .ipv6 ? store([0], to) : .fails
        case .compare(let operation, let from, let value): compare(operation, bytes(from, value.count), value)
        case .range(let isOutside, let from, let low, let high):
            isWithin(bytes(from, low.count), low, high) != isOutside ? .holds : .fails
        case .bitwise(let from, let to, let mask, let flip):
            store(zip(bytes(from, mask.count), zip(mask, flip)).map { $0 & $1.0 ^ $1.1 }, to)
        default: .isUnknown("\(expression)")
        }
    }

    private mutating func meta(_ key: UInt32, _ to: Int, _ packet: WalkedPacket) -> Result {
        switch key {
        case NFT_META_NFPROTO.rawValue: store([UInt8(packet.family == .ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)], to)
        case NFT_META_L4PROTO.rawValue: store([packet.transportProtocol], to)
        case NFT_META_IIF.rawValue: store(host: packet.interface, to)
        case NFT_META_OIF.rawValue: store(host: packet.outInterface, to)
        case NFT_META_MARK.rawValue: store(host: 0, to)
        // ARPHRD_ETHER.
        case NFT_META_IFTYPE.rawValue:
            packet.interface == 0 ? .fails : store(withUnsafeBytes(of: UInt16(1)) { Array($0) }, to)
        default: .isUnknown("meta \(key)")
        }
    }

    /// The connection is new, and its destination was not translated.
    private mutating func connection(
        _ key: UInt32, _ direction: UInt8, _ to: Int, _ packet: WalkedPacket
    ) -> Result {
        switch key {
        case NFT_CT_STATE.rawValue: store(host: ConnectionState.new.rawValue, to)
        case NFT_CT_DIRECTION.rawValue: store([0], to)
        case NFT_CT_STATUS.rawValue, NFT_CT_MARK.rawValue, NFT_CT_ID.rawValue: store(host: 0, to)
        case NFT_CT_SRC_IP.rawValue, NFT_CT_SRC_IP6.rawValue:
            (key == NFT_CT_SRC_IP.rawValue) == (packet.family == .ipv4)
                ? store((direction == 0 ? packet.source : packet.destination).networkBytes, to) : .fails
        default: .isUnknown("ct \(key)")
        }
    }

    private mutating func payload(
        _ base: UInt32, _ offset: Int, _ byteCount: Int, _ to: Int, _ packet: WalkedPacket
    ) -> Result {
        let header: [UInt8]
        switch base {
        case NFT_PAYLOAD_NETWORK_HEADER.rawValue: header = packet.bytes
        case NFT_PAYLOAD_TRANSPORT_HEADER.rawValue: header = Array(packet.bytes.dropFirst(packet.headerBytes))
        case NFT_PAYLOAD_LL_HEADER.rawValue:
            header =
                [UInt8](repeating: 0, count: 6) + packet.hardwareSource
                + (packet.family == .ipv4 ? [0x08, 0x00] : [0x86, 0xdd])
        default: return .isUnknown("payload \(base)")
        }
        guard offset + byteCount <= header.count else { return .fails }
        return store(header[offset..<offset + byteCount], to)
    }

    private func compare(_ operation: UInt32, _ found: [UInt8], _ value: [UInt8]) -> Result {
        let isBelow = found.lexicographicallyPrecedes(value)
        let holds: Bool
        switch operation {
        case NFT_CMP_EQ.rawValue: holds = found == value
        case NFT_CMP_NEQ.rawValue: holds = found != value
        case NFT_CMP_LT.rawValue: holds = isBelow
        case NFT_CMP_LTE.rawValue: holds = isBelow || found == value
        case NFT_CMP_GT.rawValue: holds = !isBelow && found != value
        case NFT_CMP_GTE.rawValue: holds = !isBelow
        default: return .isUnknown("cmp \(operation)")
        }
        return holds ? .holds : .fails
    }

    private func isWithin(_ found: [UInt8], _ low: [UInt8], _ high: [UInt8]) -> Bool {
        !found.lexicographicallyPrecedes(low) && !high.lexicographicallyPrecedes(found)
    }
}
