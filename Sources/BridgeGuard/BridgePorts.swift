// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What is known of bridges' ports: what may come in by them.
public struct BridgePorts: Sendable, Hashable {
    /// A port behind which a pod is.
    public struct Pod: Sendable, Hashable {
        public var addresses: Set<IPAddress>
        /// Link-local addresses of the pod.
        public var linkLocal: Set<IPAddress>
        /// Six bytes, the first one uppermost; 0: not known.
        public var hardware: UInt64
        public init(addresses: Set<IPAddress>, linkLocal: Set<IPAddress> = [], hardware: UInt64 = 0) {
            self.addresses = addresses
            self.linkLocal = linkLocal
            self.hardware = hardware
        }
    }

    /// By interface index.
    public var pods: [UInt32: Pod] = [:]
    /// Addresses of pods that are behind no bridge port: from none may they come.
    public var otherPods: Set<IPAddress> = []
    /// What the node itself has at these bridges.
    public var nodeAddresses: Set<IPAddress> = []
    public var nodeHardware: Set<UInt64> = []
    /// The only ports, beside those of pods, by which frames may come in; nil: by all.
    public var open: Set<UInt32>?
    /// Whether frames that leave by a pod's port are marked for the hooks of IPv4 and IPv6 (``PortMark``).
    public var areMarked = false

    public init() {}

    public init(pods: [UInt32: Pod]) { self.pods = pods }

    /// All that belongs to somebody who is known, so that it can't come from anybody else.
    var knownAddresses: Set<IPAddress> {
        pods.values.reduce(into: otherPods.union(nodeAddresses)) { $0.formUnion($1.addresses.union($1.linkLocal)) }
    }
    var knownHardware: Set<UInt64> { nodeHardware.union(pods.values.lazy.map(\.hardware).filter { $0 != 0 }) }
}
