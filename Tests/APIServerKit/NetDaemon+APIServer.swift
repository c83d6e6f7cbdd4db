// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit

extension NetDaemon {
    /// A daemon that follows an API server. Objects that the server holds may take effect after this returns.
    public convenience init(
        in world: NetWorld, following api: APIServer, datapath: NetDatapath = .ebpf, options: [String] = [],
        name: String = NetDaemon.nodeName
    ) throws {
        let file = "\(world.directory)/kubeconfig"
        try api.kubeconfig().write(toFile: file, atomically: true, encoding: .utf8)
        try self.init(in: world, datapath: datapath, options: ["--kubeconfig", file] + options, name: name)
    }
}
