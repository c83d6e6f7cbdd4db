// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Whether packets within a bridge pass netfilter's hooks, where policy is enforced.
public enum BridgeFiltering: Sendable, Hashable {
    /// They do, and did so before the check.
    case on
    /// They do since ``ensure(settings:)`` enabled it.
    case switchedOn
    /// They do not: pods on one bridge can reach each other, whatever policy says.
    case off(problem: String, remedy: String)

    /// Whether packets within bridges bypass policy.
    public var isOff: Bool {
        if case .off = self { return true }
        return false
    }

    /// The settings of the calling thread's network namespace; the kernel module br_netfilter creates the directory.
    public static let settings = "/proc/sys/net/bridge"
    private static let names = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"]

    /// Reads both settings and enables them. Call this only if pods are behind a bridge, so that nodes without bridges
    /// keep their settings.
    public static func ensure(settings directory: String = settings) -> BridgeFiltering {
        guard access(directory, F_OK) == 0 else {
            return .off(
                problem: "\(directory) is not there: bridged packets do not reach netfilter in this namespace",
                remedy: "load the module with 'modprobe br_netfilter' on the node (before Linux 5.3, run the daemon in "
                    + "the node's own network namespace)")
        }
        var result = BridgeFiltering.on
        for name in names {
            let path = "\(directory)/\(name)"
            switch read(path) {
            case .success("1"): continue
            case .success: break
            case .failure(let code): return off("reading \(path) failed with errno \(code)", name)
            }
            let code = write(path)
            guard code == 0 else { return off("\(name) is 0, and writing to \(path) failed with errno \(code)", name) }
            guard case .success("1") = read(path) else { return off("\(path) does not keep what is written", name) }
            result = .switchedOn
        }
        return result
    }

    private static func off(_ problem: String, _ name: String) -> BridgeFiltering {
        .off(
            problem: problem,
            remedy: "run 'sysctl -w net.bridge.\(name)=1' on the node, or give the daemon a writable /proc/sys/net")
    }

    private enum Value {
        case success(String)
        case failure(Int32)
    }

    private static func read(_ path: String) -> Value {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return .failure(errno) }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 16)
        let length = Glibc.read(file, &bytes, bytes.count)
        guard length >= 0 else { return .failure(errno) }
        return .success(String(decoding: bytes[..<length].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    /// 0 or errno.
    private static func write(_ path: String) -> Int32 {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return errno }
        defer { close(file) }
        let text: [UInt8] = [UInt8(ascii: "1"), UInt8(ascii: "\n")]
        return Glibc.write(file, text, text.count) == text.count ? 0 : errno
    }
}
