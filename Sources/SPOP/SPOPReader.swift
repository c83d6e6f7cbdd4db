// SPDX-License-Identifier: Apache-2.0

/// Reads bytes of one frame. Every step consumes a byte or fails.
struct SPOPReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() throws(SPOPError) -> UInt8 {
        guard position < bytes.count else { throw .invalidFrame }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func bytes(_ count: UInt64) throws(SPOPError) -> ArraySlice<UInt8> {
        guard count <= UInt64(bytes.count - position) else { throw .invalidFrame }
        defer { position += Int(count) }
        return bytes[position..<position + Int(count)]
    }

    /// The protocol's integer of variable length, at most 10 bytes.
    mutating func varint() throws(SPOPError) -> UInt64 {
        let first = try byte()
        guard first >= 240 else { return UInt64(first) }
        var value = UInt64(first)
        var shift: UInt64 = 4
        while true {
            let next = try byte()
            let (part, isTooLong) = UInt64(next).multipliedReportingOverflow(by: 1 << shift)
            let (sum, isTooLarge) = value.addingReportingOverflow(part)
            guard !isTooLong, !isTooLarge else { throw .invalidFrame }
            value = sum
            guard next >= 128 else { return value }
            shift += 7
            guard shift < 64 else { throw .invalidFrame }
        }
    }

    mutating func text() throws(SPOPError) -> String {
        String(decoding: try bytes(try varint()), as: UTF8.self)
    }

    mutating func value() throws(SPOPError) -> SPOPValue {
        let type = try byte()
        switch type & 0x0f {
        case 0: return .null
        case 1: return .bool(type & 0x10 != 0)
        case 2: return .int32(Int32(truncatingIfNeeded: try varint()))
        case 3: return .uint32(UInt32(truncatingIfNeeded: try varint()))
        case 4: return .int64(Int64(bitPattern: try varint()))
        case 5: return .uint64(try varint())
        case 6: return .ipv4(UInt32(truncatingIfNeeded: try bigEndian(4)))
        case 7: return .ipv6(try bigEndian(8), try bigEndian(8))
        case 8: return .string(Array(try bytes(try varint())))
        case 9: return .binary(Array(try bytes(try varint())))
        default: throw .invalidFrame
        }
    }

    private mutating func bigEndian(_ count: UInt64) throws(SPOPError) -> UInt64 {
        try bytes(count).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension SPOPFrame {
    /// Most messages of a frame and most arguments of a message that are read.
    public static let countLimit = 64

    /// Reads a frame without its length.
    public init(_ bytes: [UInt8]) throws(SPOPError) {
        var reader = SPOPReader(bytes)
        let type = try reader.byte()
        let flags = try reader.bytes(4)
        // The last bit: the last fragment of its frame.
        guard let last = flags.last, last & 1 == 1 else { throw .fragmentationNotSupported }
        let stream = try reader.varint()
        let frame = try reader.varint()
        switch type {
        case 1: self = .haproxyHello(try SPOPHello(try reader.pairs()))
        case 2: self = .haproxyDisconnect(SPOPStatus(try reader.pairs()))
        case 3: self = .notify(stream: stream, frame: frame, try reader.messages())
        case 101:
            let pairs = try reader.pairs()
            guard let version = pairs["version"]?.text else { throw .versionMissing }
            guard case .uint32(let size)? = pairs["max-frame-size"] else { throw .maxFrameSizeMissing }
            self = .agentHello(
                version: version, maxFrameSize: size, capabilities: pairs["capabilities"]?.list ?? [])
        case 102: self = .agentDisconnect(SPOPStatus(try reader.pairs()))
        case 103: self = .acknowledge(stream: stream, frame: frame, try reader.variables())
        default: throw .invalidFrame
        }
    }
}

extension SPOPHello {
    fileprivate init(_ pairs: [String: SPOPValue]) throws(SPOPError) {
        guard let versions = pairs["supported-versions"]?.list else { throw .versionMissing }
        guard case .uint32(let size)? = pairs["max-frame-size"] else { throw .maxFrameSizeMissing }
        guard let capabilities = pairs["capabilities"]?.list else { throw .capabilitiesMissing }
        self.init(
            supportedVersions: versions, maxFrameSize: size, capabilities: capabilities,
            isHealthCheck: pairs["healthcheck"] == .bool(true))
    }
}

extension SPOPStatus {
    fileprivate init(_ pairs: [String: SPOPValue]) {
        var code: UInt32 = 0
        if case .uint32(let number)? = pairs["status-code"] { code = number }
        self.init(code: code, message: pairs["message"]?.text ?? "")
    }
}

extension SPOPValue {
    var text: String? { if case .string(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }

    /// The items of a text that separates them by commas.
    fileprivate var list: [String]? {
        text?.split(separator: ",").map { item in
            String(item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }
}

extension SPOPReader {
    fileprivate mutating func pairs() throws(SPOPError) -> [String: SPOPValue] {
        var result: [String: SPOPValue] = [:]
        while !isAtEnd {
            guard result.count < SPOPFrame.countLimit else { throw .invalidFrame }
            let name = try text()
            guard result.updateValue(try value(), forKey: name) == nil else { throw .invalidFrame }
        }
        return result
    }

    fileprivate mutating func messages() throws(SPOPError) -> [SPOPMessage] {
        var result: [SPOPMessage] = []
        while !isAtEnd {
            guard result.count < SPOPFrame.countLimit else { throw .invalidFrame }
            var message = SPOPMessage(name: try text(), arguments: [])
            let count = try byte()
            guard count <= SPOPFrame.countLimit else { throw .invalidFrame }
            message.arguments.reserveCapacity(Int(count))
            for _ in 0..<count { message.arguments.append(.init(name: try text(), value: try value())) }
            result.append(message)
        }
        return result
    }

    /// The actions of an acknowledgment, which only set variables.
    fileprivate mutating func variables() throws(SPOPError) -> [SPOPVariable] {
        var result: [SPOPVariable] = []
        while !isAtEnd {
            guard result.count < SPOPFrame.countLimit, try byte() == 1, try byte() == 3,
                let scope = SPOPVariable.Scope(rawValue: try byte())
            else { throw .invalidFrame }
            result.append(SPOPVariable(scope, try text(), try value()))
        }
        return result
    }
}
