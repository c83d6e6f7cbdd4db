// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension Pod {
    /// The addresses of a pod with its node's network: those that any object names, each once. Each object may lack a
    /// family: status.hostIP has only one.
    ///
    /// - Parameter node: the addresses of its node.
    public func hostAddresses(node: [IPAddress]) -> [IPAddress] {
        var seen: Set<IPAddress> = []
        return (hostIPs + podIPs + node).filter { seen.insert($0).inserted }
    }
}
