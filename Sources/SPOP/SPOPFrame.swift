// SPDX-License-Identifier: Apache-2.0

/// A frame of HAProxy's Stream Processing Offload Protocol, version 2.0 (HAProxy's doc/SPOE.txt, section 3), without
/// its length.
public enum SPOPFrame: Sendable, Hashable {
    /// HAProxy opens a connection.
    case haproxyHello(SPOPHello)
    /// HAProxy closes a connection.
    case haproxyDisconnect(SPOPStatus)
    /// HAProxy asks: it waits for the acknowledgment of the same stream and frame.
    case notify(stream: UInt64, frame: UInt64, [SPOPMessage])
    case agentHello(version: String, maxFrameSize: UInt32, capabilities: [String])
    case agentDisconnect(SPOPStatus)
    case acknowledge(stream: UInt64, frame: UInt64, [SPOPVariable])
}

/// What HAProxy offers.
public struct SPOPHello: Sendable, Hashable {
    public var supportedVersions: [String]
    /// Bytes of a frame without its length.
    public var maxFrameSize: UInt32
    public var capabilities: [String]
    /// HAProxy only looks whether the agent lives and closes the connection after the answer.
    public var isHealthCheck: Bool
    public init(
        supportedVersions: [String], maxFrameSize: UInt32, capabilities: [String], isHealthCheck: Bool = false
    ) {
        self.supportedVersions = supportedVersions
        self.maxFrameSize = maxFrameSize
        self.capabilities = capabilities
        self.isHealthCheck = isHealthCheck
    }
}

/// Why a connection ends; 0: as intended.
public struct SPOPStatus: Sendable, Hashable {
    public var code: UInt32
    public var message: String
    public init(code: UInt32, message: String) {
        self.code = code
        self.message = message
    }
}

/// One message of a `spoe-message` section with its arguments, in order.
public struct SPOPMessage: Sendable, Hashable {
    public struct Argument: Sendable, Hashable {
        /// Empty if the section gives none.
        public var name: String
        public var value: SPOPValue
        public init(name: String, value: SPOPValue) {
            self.name = name
            self.value = value
        }
    }
    public var name: String
    public var arguments: [Argument]
    public init(name: String, arguments: [Argument]) {
        self.name = name
        self.arguments = arguments
    }

    /// The first argument of a name.
    public subscript(name: String) -> SPOPValue? { arguments.first { $0.name == name }?.value }
}

/// A typed value.
public enum SPOPValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case int32(Int32)
    case uint32(UInt32)
    case int64(Int64)
    case uint64(UInt64)
    /// Host byte order.
    case ipv4(UInt32)
    /// The halves of an address in host byte order.
    case ipv6(UInt64, UInt64)
    case string([UInt8])
    case binary([UInt8])
}

/// A variable that HAProxy shall set.
public struct SPOPVariable: Sendable, Hashable {
    public enum Scope: UInt8, Sendable {
        case process = 0
        case session = 1
        case transaction = 2
        case request = 3
        case response = 4
    }
    public var scope: Scope
    /// Without the prefix that HAProxy adds.
    public var name: String
    public var value: SPOPValue
    public init(_ scope: Scope, _ name: String, _ value: SPOPValue) {
        self.scope = scope
        self.name = name
        self.value = value
    }
}

/// Why bytes are not a frame that an agent understands. The raw value is the protocol's status code.
public enum SPOPError: UInt32, Error, Sendable, Hashable {
    case frameTooBig = 3
    case invalidFrame = 4
    case versionMissing = 5
    case maxFrameSizeMissing = 6
    case capabilitiesMissing = 7
    case unsupportedVersion = 8
    case badMaxFrameSize = 9
    case fragmentationNotSupported = 10

    /// The protocol's words.
    public var message: String {
        switch self {
        case .frameTooBig: "frame is too big"
        case .invalidFrame: "invalid frame received"
        case .versionMissing: "version value not found"
        case .maxFrameSizeMissing: "max-frame-size value not found"
        case .capabilitiesMissing: "capabilities value not found"
        case .unsupportedVersion: "unsupported version"
        case .badMaxFrameSize: "max-frame-size too big or too small"
        case .fragmentationNotSupported: "fragmentation not supported"
        }
    }

    public var status: SPOPStatus { SPOPStatus(code: rawValue, message: message) }
}
