// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What is known about bridges' ports: which frames may enter through them.
public struct BridgePorts: Sendable, Hashable {
    /// A port with a pod behind it.
    public struct Pod: Sendable, Hashable {
        public var addresses: Set<IPAddress>
        /// Link-local addresses of the pod.
        public var linkLocal: Set<IPAddress>
        /// Six bytes, the first one uppermost; 0 if unknown.
        public var hardware: UInt64
        public init(addresses: Set<IPAddress>, linkLocal: Set<IPAddress> = [], hardware: UInt64 = 0) {
            self.addresses = addresses
            self.linkLocal = linkLocal
            self.hardware = hardware
        }
    }

    /// The port of this node's request proxy: its TCP packets bear the addresses of the clients for which it asks. Its
    /// hardware address stays its own.
    public struct Proxy: Sendable, Hashable {
        /// Interface index.
        public var port: UInt32
        /// The bits of a frame's mark that say that it must go to the proxy.
        public var mask: UInt32
        /// Their value then.
        public var mark: UInt32
        public init(port: UInt32, mask: UInt32, mark: UInt32) {
            self.port = port
            self.mask = mask
            self.mark = mark
        }
    }

    /// By interface index.
    public var pods: [UInt32: Pod] = [:]
    /// Addresses of pods that are not behind a bridge port: no frame may come from them.
    public var otherPods: Set<IPAddress> = []
    /// The node's own addresses at these bridges.
    public var nodeAddresses: Set<IPAddress> = []
    public var nodeHardware: Set<UInt64> = []
    /// The only ports, in addition to those of pods, through which frames may enter; nil for all.
    public var open: Set<UInt32>?
    /// Whether frames that leave through a pod's port are marked for the hooks of IPv4 and IPv6 (``PortMark``).
    public var areMarked = false
    /// Nil if the request proxy is not behind one of these ports.
    public var proxy: Proxy?

    public init() {}

    public init(pods: [UInt32: Pod]) { self.pods = pods }

    /// All addresses with a known owner, so that no other port may send from them.
    var knownAddresses: Set<IPAddress> {
        pods.values.reduce(into: otherPods.union(nodeAddresses)) { $0.formUnion($1.addresses.union($1.linkLocal)) }
    }
    var knownHardware: Set<UInt64> { nodeHardware.union(pods.values.lazy.map(\.hardware).filter { $0 != 0 }) }
}
