// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// What the process sets up before it has a second thread.
struct ProcessSetUp: Sendable {
    /// Why there is no BPF file system, if one is wanted but not required.
    private(set) var bpffsError: SetUpError?
    /// Where a BPF file system was mounted because there was none.
    private(set) var mounted: String?

    /// Mounts a BPF file system if it is wanted and missing, then drops all privileges that are not needed.
    ///
    /// - Throws: ``SetUpError``.
    init(for command: BulkheadD) throws(SetUpError) {
        // A heap per thread costs memory; this process allocates little, in few threads.
        bh_bound_heap()
        // If a client of the socket leaves, the next write fails; no signal ends this process.
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
        bh_raise_descriptor_limit(Self.enoughDescriptors)
        let mayNeedBPF = command.datapath != .nftables && !command.cleanup
        if mayNeedBPF {
            do {
                if try Self.mountBPFFileSystem(at: command.bpffs) { mounted = command.bpffs }
            } catch {
                guard command.datapath == .auto else { throw error }
                bpffsError = error
            }
        }
        let forDaemon = mayNeedBPF && bpffsError == nil ? Self.forBPF : Self.forNetfilter
        try Self.keepCapabilities(command.cleanup ? Self.forCleanUp : forDaemon)
    }

    /// Many times what all listeners grant their clients. Not the whole hard limit: some programs, credential plugins
    /// among them, close that many descriptors when they start.
    private static let enoughDescriptors: UInt = 8192

    /// CAP_NET_ADMIN: capability.h.
    private static let forNetfilter: UInt64 = 1 << 12
    /// CAP_PERFMON (38) and CAP_BPF (39) as well.
    private static let forBPF: UInt64 = forNetfilter | 1 << 38 | 1 << 39

    /// CAP_SYS_ADMIN (21) too: only it can list the kernel's links.
    private static let forCleanUp: UInt64 = forBPF | 1 << 21

    /// Keeps those of `wanted` that the process has; later calls fail with the kernel's error if one is missing.
    private static func keepCapabilities(_ wanted: UInt64) throws(SetUpError) {
        let code = bh_keep_capabilities(wanted)
        guard code == 0 else {
            throw SetUpError(
                what: "capabilities could not be set: \(text(-code))",
                remedy: "start as root, or with CAP_NET_ADMIN and, for eBPF, CAP_BPF and CAP_PERFMON")
        }
    }

    /// Returns whether it was mounted now.
    private static func mountBPFFileSystem(at path: String) throws(SetUpError) -> Bool {
        var answer = bh_is_bpffs(path)
        if answer == -ENOENT, mkdir(path, 0o700) == 0 { answer = bh_is_bpffs(path) }
        guard answer >= 0 else {
            throw SetUpError(
                what: "\(path) cannot be used: \(text(-answer))", remedy: "create it, or choose another --bpffs")
        }
        if answer == 1 { return false }
        guard mount("bpf", path, "bpf", UInt(MS_NOSUID) | UInt(MS_NODEV) | UInt(MS_NOEXEC), "mode=0700") == 0 else {
            throw SetUpError(
                what: "no bpffs is mounted at \(path), and it may not be mounted: \(text(errno))",
                remedy: "run 'mount -t bpf bpf \(path)' as root, or name one that is mounted with --bpffs")
        }
        return true
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// Why the process cannot start.
struct SetUpError: Error, CustomStringConvertible {
    var what: String
    /// What to do about it.
    var remedy: String
    var description: String { "\(what); \(remedy)" }
}
