// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes

/// What the node must do so that flows whose requests authorization reads go by its proxy pod. A value without I/O.
public struct SteeringPlan: Sendable, Hashable {
    public var settings: SteeringSettings
    /// The TCP ports of each pod address whose flows need the proxy. Empty: nothing is steered.
    public var ports: [IPAddress: [PortRange]]
    /// Nil: no proxy is known and ready, so nothing is marked and policy denies these flows.
    public var proxy: SteeringProxy?
    /// The bridges with pods. Their frames are taken up to IP where they must go to the proxy.
    public var bridges: [SteeringBridge]

    /// - Parameters:
    ///   - ports: as of ``SteeredPorts``. Addresses of the proxy itself are left out: it cannot decide about itself.
    public init(
        settings: SteeringSettings, ports: [IPAddress: [PortRange]], proxy: SteeringProxy?,
        bridges: [SteeringBridge] = []
    ) {
        self.settings = settings
        self.proxy = proxy
        self.ports = ports.filter { !$0.value.isEmpty && proxy?.addresses.contains($0.key) != true }
        self.bridges = bridges.sorted { $0.index < $1.index }
    }

    /// The families in which something is steered and the proxy has no address: there the flows are refused.
    public var unserved: [AddressFamily] {
        proxy.map { proxy in families.filter { proxy.address($0) == nil } } ?? []
    }

    /// The families in which something is steered.
    var families: [AddressFamily] {
        AddressFamily.allCases.filter { family in ports.keys.contains { $0.family == family } }
    }
}

/// The proxy pod of this node, as the node reaches it.
public struct SteeringProxy: Sendable, Hashable {
    /// At most one of each family.
    public var addresses: [IPAddress]
    /// The device that leads to the pod: its own interface, or its bridge.
    public var link: UInt32
    /// The pod's port, if the device is a bridge.
    public var port: UInt32?

    public init(addresses: [IPAddress], link: UInt32, port: UInt32? = nil) {
        self.addresses = AddressFamily.allCases.compactMap { family in addresses.sorted().first { $0.family == family }
        }
        self.link = link
        self.port = port
    }

    func address(_ family: AddressFamily) -> IPAddress? { addresses.first { $0.family == family } }
}

/// A bridge with pods behind its ports.
public struct SteeringBridge: Sendable, Hashable {
    /// Interface index.
    public var index: UInt32
    /// The bridge's own hardware address: six bytes, the first one uppermost.
    public var hardware: UInt64
    /// The interface indices of all of its ports.
    public var ports: Set<UInt32>

    public init(index: UInt32, hardware: UInt64, ports: Set<UInt32>) {
        self.index = index
        self.hardware = hardware
        self.ports = ports
    }
}
