// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The addresses of a ``NetWorld``: the same in every world, since each has namespaces of its own.
public enum NetAddressing {
    public static let nodes = [address("192.0.2.10"), address("192.0.2.11")]
    public static let nodes6 = [address("2001:db8:2::10"), address("2001:db8:2::11")]
    /// The router between the nodes and the outside.
    public static let router = address("192.0.2.1")
    public static let router6 = address("2001:db8:2::1")
    /// A host on the outside.
    public static let outside = address("203.0.113.80")
    public static let outside6 = address("2001:db8:ffff::80")
    /// The cloud's metadata server.
    public static let metadata = address("169.254.169.254")
    /// The host side's address on each pod's veth pair, by node: the pods' gateway.
    public static let gateways = [address("10.244.0.1"), address("10.244.1.1")]
    public static let gateways6 = [address("fd00:10:244::1"), address("fd00:10:244:1::1")]

    /// The address of the pod with this number on a node.
    public static func pod(_ number: Int, node: Int) -> IPAddress {
        IPAddress(v4: gateways[node].v4 + 9 + UInt32(number))
    }
    public static func pod6(_ number: Int, node: Int) -> IPAddress {
        IPAddress(v6High: gateways6[node].high, low: gateways6[node].low + 0xf + UInt64(number))
    }
    /// ClusterIP of the service with this number.
    public static func service(_ number: Int) -> IPAddress { IPAddress(v4: address("10.96.0.10").v4 + UInt32(number)) }
    public static func service6(_ number: Int) -> IPAddress {
        let first = address("fd00:10:96::10")
        return IPAddress(v6High: first.high, low: first.low + UInt64(number))
    }

    static func address(_ text: String) -> IPAddress { try! IPAddress(text) }
}

/// A pod of a ``NetWorld``.
public struct NetPod: Sendable, Hashable {
    public let name: String
    /// Counts from 0 over the world, in order of creation.
    public let number: Int
    /// 0 or 1: which node it is on.
    public let node: Int
    public let namespace: NetNamespace

    public var v4: IPAddress { NetAddressing.pod(number, node: node) }
    public var v6: IPAddress { NetAddressing.pod6(number, node: node) }
    /// The pod's end on the node.
    public var hostInterface: String { "veth\(number)" }

    public func address(_ family: AddressFamily) -> IPAddress { family == .ipv4 ? v4 : v6 }
}

/// A Service of a ``NetWorld``: a ClusterIP of each family, one port, backends chosen by the proxy.
public struct NetService: Sendable, Hashable {
    public let ipProtocol: IPProtocol
    public let port: UInt16
    public let targetPort: UInt16
    /// Names of pods.
    public let backends: [String]
    /// A port of every node that leads here as well. What comes through it is masqueraded, as kube-proxy does unless
    /// `externalTrafficPolicy` is `Local`.
    public let nodePort: UInt16?

    public init(
        _ ipProtocol: IPProtocol = .tcp, port: UInt16, targetPort: UInt16? = nil, backends: [String],
        nodePort: UInt16? = nil
    ) {
        self.ipProtocol = ipProtocol
        self.port = port
        self.targetPort = targetPort ?? port
        self.backends = backends
        self.nodePort = nodePort
    }
}
