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
            let setting = KernelSetting(name, in: directory)
            do throws(NodeNetworkError) {
                guard try setting.readText() != "1" else { continue }
                try setting.write(1)
                guard try setting.readText() == "1" else {
                    return off("\(setting.path) does not keep what is written", name)
                }
                result = .switchedOn
            } catch {
                return off("\(error)", name)
            }
        }
        return result
    }

    private static func off(_ problem: String, _ name: String) -> BridgeFiltering {
        .off(
            problem: problem,
            remedy: "run 'sysctl -w net.bridge.\(name)=1' on the node, or give the daemon a writable /proc/sys/net")
    }
}
