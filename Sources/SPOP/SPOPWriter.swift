// SPDX-License-Identifier: Apache-2.0

extension SPOPFrame {
    /// Appends the frame with its length.
    public func append(to output: inout [UInt8]) {
        let start = output.count
        output += [0, 0, 0, 0, type, 0, 0, 0, 1]
        var (stream, frame): (UInt64, UInt64) = (0, 0)
        switch self {
        case .notify(let streamID, let frameID, _), .acknowledge(let streamID, let frameID, _):
            (stream, frame) = (streamID, frameID)
        default: break
        }
        output.append(varint: stream)
        output.append(varint: frame)
        appendPayload(to: &output)
        let length = UInt32(output.count - start - 4)
        for index in 0..<4 { output[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index)) }
    }

    private var type: UInt8 {
        switch self {
        case .haproxyHello: 1
        case .haproxyDisconnect: 2
        case .notify: 3
        case .agentHello: 101
        case .agentDisconnect: 102
        case .acknowledge: 103
        }
    }

    private func appendPayload(to output: inout [UInt8]) {
        switch self {
        case .haproxyHello(let hello):
            output.append("supported-versions", .text(hello.supportedVersions.joined(separator: ",")))
            output.append("max-frame-size", .uint32(hello.maxFrameSize))
            output.append("capabilities", .text(hello.capabilities.joined(separator: ",")))
            if hello.isHealthCheck { output.append("healthcheck", .bool(true)) }
        case .agentHello(let version, let maxFrameSize, let capabilities):
            output.append("version", .text(version))
            output.append("max-frame-size", .uint32(maxFrameSize))
            output.append("capabilities", .text(capabilities.joined(separator: ",")))
        case .haproxyDisconnect(let status), .agentDisconnect(let status):
            output.append("status-code", .uint32(status.code))
            output.append("message", .text(status.message))
        case .notify(_, _, let messages):
            for message in messages {
                output.append(counted: message.name.utf8)
                output.append(UInt8(message.arguments.count))
                for argument in message.arguments { output.append(argument.name, argument.value) }
            }
        case .acknowledge(_, _, let variables):
            for variable in variables {
                output += [1, 3, variable.scope.rawValue]
                output.append(variable.name, variable.value)
            }
        }
    }
}

extension SPOPValue {
    public static func text(_ text: String) -> SPOPValue { .string(Array(text.utf8)) }
}

extension [UInt8] {
    fileprivate mutating func append(_ name: String, _ value: SPOPValue) {
        append(counted: name.utf8)
        append(value)
    }

    fileprivate mutating func append(counted text: some Collection<UInt8>) {
        append(varint: UInt64(text.count))
        append(contentsOf: text)
    }

    fileprivate mutating func append(varint value: UInt64) {
        guard value >= 240 else {
            append(UInt8(value))
            return
        }
        append(UInt8(truncatingIfNeeded: value) | 240)
        var rest = (value - 240) >> 4
        while rest >= 128 {
            append(UInt8(truncatingIfNeeded: rest) | 128)
            rest = (rest - 128) >> 7
        }
        append(UInt8(rest))
    }

    private mutating func append(_ value: SPOPValue) {
        switch value {
        case .null: append(0)
        case .bool(let flag): append(flag ? 0x11 : 1)
        case .int32(let number): append(2, UInt64(bitPattern: Int64(number)))
        case .uint32(let number): append(3, UInt64(number))
        case .int64(let number): append(4, UInt64(bitPattern: number))
        case .uint64(let number): append(5, number)
        case .ipv4(let bits):
            append(6)
            for shift: UInt32 in [24, 16, 8, 0] { append(UInt8(truncatingIfNeeded: bits >> shift)) }
        case .ipv6(let high, let low):
            append(7)
            for half in [high, low] {
                for index in 0..<8 { append(UInt8(truncatingIfNeeded: half >> UInt64(56 - 8 * index))) }
            }
        case .string(let bytes):
            append(8)
            append(counted: bytes)
        case .binary(let bytes):
            append(9)
            append(counted: bytes)
        }
    }

    private mutating func append(_ type: UInt8, _ number: UInt64) {
        append(type)
        append(varint: number)
    }
}
