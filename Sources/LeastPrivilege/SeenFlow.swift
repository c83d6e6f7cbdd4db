// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// A flow that was recorded on a node.
public struct SeenFlow: Sendable, Hashable {
    /// One end, as it was at that time.
    public struct End: Sendable, Hashable {
        public var address: IPAddress
        /// Nil: no pod had the address.
        public var pod: EndpointName?
        public init(_ address: IPAddress, pod: EndpointName? = nil) {
            self.address = address
            self.pod = pod
        }
    }
    public var source: End
    public var destination: End
    public var ipProtocol: IPProtocol
    /// Nil for protocols without ports.
    public var port: UInt16?

    public init(from source: End, to destination: End, _ ipProtocol: IPProtocol, port: UInt16?) {
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.port = port
    }
}

extension SeenFlow: Comparable, CustomStringConvertible {
    /// `shop/web (10.0.0.1) -> 192.0.2.1 443/TCP`.
    public var description: String {
        func text(_ end: End) -> String { end.pod.map { "\($0) (\(end.address))" } ?? "\(end.address)" }
        return "\(text(source)) -> \(text(destination)) \(port.map { "\($0)/" } ?? "")\(ipProtocol)"
    }

    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }

    private var order: (String, String, UInt8, UInt16) {
        (
            "\(source.pod?.description ?? "") \(source.address)",
            "\(destination.pod?.description ?? "") \(destination.address)", ipProtocol.rawValue, port ?? 0
        )
    }
}
