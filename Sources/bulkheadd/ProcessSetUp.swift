// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// What the process sets up before it has a second thread.
enum ProcessSetUp {
    /// Mounts bpffs where it is missing, then gives up all privileges that are not needed.
    ///
    /// - Throws: ``SetUpError``.
    static func prepare(bpffs: String) throws(SetUpError) {
        // A heap a thread costs memory; this process allocates little, and by few threads.
        bh_bound_heap()
        // A client of the socket that leaves is told by the next write, not by a signal.
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
        try mountBPFFileSystem(at: bpffs)
        try dropCapabilities()
    }

    /// CAP_NET_ADMIN (12), CAP_PERFMON (38), CAP_BPF (39): capability.h.
    private static let keptCapabilities: UInt64 = 1 << 12 | 1 << 38 | 1 << 39

    private static func dropCapabilities() throws(SetUpError) {
        let code = bh_keep_capabilities(keptCapabilities)
        guard code == 0 else {
            throw SetUpError(
                what: "capabilities could not be set: \(text(-code))",
                remedy: "start as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")
        }
    }

    private static func mountBPFFileSystem(at path: String) throws(SetUpError) {
        var answer = bh_is_bpffs(path)
        if answer == -ENOENT, mkdir(path, 0o700) == 0 { answer = bh_is_bpffs(path) }
        guard answer >= 0 else {
            throw SetUpError(
                what: "\(path) cannot be used: \(text(-answer))", remedy: "create it, or choose another --bpffs")
        }
        if answer == 1 { return }
        guard mount("bpf", path, "bpf", UInt(MS_NOSUID) | UInt(MS_NODEV) | UInt(MS_NOEXEC), "mode=0700") == 0 else {
            throw SetUpError(
                what: "no bpffs is mounted at \(path), and it may not be mounted: \(text(errno))",
                remedy: "run 'mount -t bpf bpf \(path)' as root, or name one that is mounted with --bpffs")
        }
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
