// SPDX-License-Identifier: Apache-2.0

/// Answer of `GET /v1/version`: what runs on this node.
public struct VersionAnswer: Codable, Sendable, Hashable {
    /// Version of the daemon.
    public var version: String
    /// The commit that the daemon was built from; `unknown` if its build did not know it.
    public var commit: String
    /// The node whose pods are protected.
    public var node: String
    /// The running kernel's release, as `uname -r` prints it.
    public var kernel: String
    /// The processor architecture of the daemon.
    public var architecture: String
    /// `ebpf` or `nftables`.
    public var datapath: String
    /// Why it is this datapath: an option, or what the kernel has or lacks.
    public var datapathReason: String

    public init(
        version: String = BuildVersion.text, commit: String = BuildVersion.commit, node: String, kernel: String,
        architecture: String = BuildVersion.architecture, datapath: String, datapathReason: String
    ) {
        self.version = version
        self.commit = commit
        self.node = node
        self.kernel = kernel
        self.architecture = architecture
        self.datapath = datapath
        self.datapathReason = datapathReason
    }
}
