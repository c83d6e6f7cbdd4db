// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc

/// What of the node's kernel matters to Bulkhead, as text for a bug report.
enum KernelFacts {
    static func text() -> String {
        section("system", [uname()] + ["BTF: " + (access("/sys/kernel/btf/vmlinux", R_OK) == 0 ? "yes" : "no")])
            + section("sysctl", sysctls()) + section("configuration", configuration())
            + section("interfaces", interfaces())
    }

    private static func section(_ title: String, _ lines: [String]) -> String {
        "# \(title)\n" + lines.map { $0 + "\n" }.joined() + "\n"
    }

    /// Without the node's host name, which `uname -a` has.
    private static func uname() -> String {
        var name = utsname()
        guard Glibc.uname(&name) == 0 else { return "uname failed" }
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return "\(text(name.sysname)) \(text(name.release)) \(text(name.version)) \(text(name.machine))"
    }

    private static let switches = [
        "kernel.unprivileged_bpf_disabled", "net.core.bpf_jit_enable", "net.core.bpf_jit_harden",
        "net.ipv4.ip_forward", "net.ipv4.conf.all.src_valid_mark", "net.ipv4.ip_local_port_range",
        "net.ipv6.conf.all.forwarding", "net.ipv6.conf.all.disable_ipv6", "net.netfilter.nf_conntrack_acct",
        "net.netfilter.nf_conntrack_buckets", "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max",
    ]

    private static func sysctls() -> [String] {
        let root = "/proc/sys/"
        let fixed = switches.map { ($0, root + $0.split(separator: ".").joined(separator: "/")) }
        let bridges = names(in: root + "net/bridge").map { ("net.bridge.\($0)", root + "net/bridge/\($0)") }
        let filters = names(in: root + "net/ipv4/conf").map {
            ("net.ipv4.conf.\($0).rp_filter", root + "net/ipv4/conf/\($0)/rp_filter")
        }
        return (fixed + bridges + filters).map { "\($0.0) = \(line(of: $0.1) ?? "absent")" }
    }

    /// Of the kernel's own options, those that decide what works.
    private static let prefixes = [
        "CONFIG_BPF", "CONFIG_BRIDGE", "CONFIG_CGROUP_BPF", "CONFIG_DEBUG_INFO_BTF", "CONFIG_IPV6=",
        "CONFIG_IP_MULTIPLE_TABLES", "CONFIG_NETFILTER", "CONFIG_NFT_", "CONFIG_NF_CONNTRACK", "CONFIG_NF_CT_NETLINK",
        "CONFIG_NF_LOG", "CONFIG_NF_TABLES", "CONFIG_PREEMPT", "CONFIG_SECURITY_LOCKDOWN", "CONFIG_VETH",
        "CONFIG_VXLAN",
    ]

    private static func configuration() -> [String] {
        let places = ["/proc/config.gz"] + (line(of: "/proc/sys/kernel/osrelease").map { ["/boot/config-\($0)"] } ?? [])
        guard let bytes = places.lazy.compactMap({ GzipFile.read($0, limit: 4 << 20) }).first else {
            return ["not readable: neither \(places.joined(separator: " nor "))"]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init).filter { line in
            prefixes.contains { line.hasPrefix($0) }
        }
    }

    private static func interfaces() -> [String] {
        let root = "/sys/class/net/"
        return names(in: root).map { name in
            var text = name
            for field in ["ifindex", "operstate", "mtu", "type"] {
                text += " \(field) \(line(of: root + name + "/" + field) ?? "-")"
            }
            return target(of: root + name + "/master").map { text + " master \($0)" } ?? text
        }
    }

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func line(of path: String) -> String? {
        guard let bytes = try? InputFile.read(path, limit: 1 << 16) else { return nil }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The last part of a symbolic link's target.
    private static func target(of path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: "/")
            .last.map(String.init)
    }
}
