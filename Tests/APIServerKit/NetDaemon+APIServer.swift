// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit

extension NetDaemon {
    /// A daemon that follows an API server. When this returns, the objects that the server holds have taken effect.
    ///
    /// - Parameter interval: milliseconds between two questions whether they have; each costs the daemon time.
    public convenience init(
        in world: NetWorld, following api: APIServer, datapath: NetDatapath = .ebpf, options: [String] = [],
        name: String = NetDaemon.nodeName, askingEvery interval: Double = 2
    ) throws {
        let file = "\(world.directory)/kubeconfig"
        try api.kubeconfig().write(toFile: file, atomically: true, encoding: .utf8)
        try self.init(in: world, datapath: datapath, options: ["--kubeconfig", file] + options, name: name)
        try waitUntilClusterIsKnown(every: interval)
    }
}
