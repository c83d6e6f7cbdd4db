// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import CLinuxShim
import Datapath
import Glibc

/// Which of the needs of ``EBPFDatapath`` the running kernel meets, found out by trying: versions and configurations
/// lie.
public struct EBPFSupport: Sendable, Hashable {
    /// `uname -r`.
    public var kernel: String
    /// What it has, in words.
    public var found: [String] = []
    /// The first thing that is missing or not permitted; nil if nothing is.
    public var missing: String?

    /// Tries everything in the calling thread's network namespace. A program that accepts all packets is attached for a
    /// moment.
    public init() {
        var names = utsname()
        uname(&names)
        kernel = withUnsafeBytes(of: &names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        missing = findMissing()
    }

    /// One line: what was found, and what is missing.
    public var description: String {
        let has = found.isEmpty ? "" : " has " + found.joined(separator: ", ")
        guard let missing else { return "Linux \(kernel)\(has)" }
        return "Linux \(kernel)\(has)\(found.isEmpty ? "" : ", but") lacks \(missing)"
    }

    private mutating func findMissing() -> String? {
        // Without this, libbpf would print what the errors below say.
        bh_log_start()
        guard let types = btf__load_vmlinux_btf() else { return "BTF (\(Self.text(errno)))" }
        defer { btf__free(types) }
        found.append("BTF")
        for name in Self.functions where btf__find_by_name_kind(types, name, Self.kindFunction) < 0 {
            return "the function \(name)"
        }
        found.append("packet access")
        let program = bh_load_accepting_program()
        guard program >= 0 else { return "netfilter programs (\(Self.text(-program)))" }
        defer { close(program) }
        found.append("netfilter programs")
        return missingLink(program)
    }

    private mutating func missingLink(_ program: Int32) -> String? {
        // AF_INET at the forward hook; another hook at the same priority does not matter.
        var link = -EBUSY
        for priority in Self.priorities where link == -EBUSY || link == -EEXIST {
            link = bh_link_netfilter(program, 2, 2, priority, 0)
        }
        guard link >= 0 else { return "netfilter links (\(Self.text(-link)))" }
        close(link)
        found.append("netfilter links")
        return nil
    }

    /// Kernel functions that the programs call (kernel.h).
    private static let functions = ["bpf_dynptr_from_skb", "bpf_dynptr_slice", "bpf_rdonly_cast"]
    /// BTF_KIND_FUNC: btf.h.
    private static let kindFunction: UInt32 = 12
    private static let priorities: Range<Int32> = 300..<332

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}

extension EBPFSupport: CustomStringConvertible {}
