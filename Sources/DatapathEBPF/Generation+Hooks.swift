// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import Datapath
import Glibc
import NetworkTypes

/// Where packets meet a program: a hook of netfilter (`enum nf_inet_hooks`).
public enum PacketHook: UInt32, Sendable, CaseIterable {
    /// Packets to the node itself.
    case input = 1
    case forward = 2
    /// Packets from the node itself.
    case output = 3

    /// The hooks of packets between endpoints and the node itself.
    static let ownNode: [PacketHook] = [.input, .output]

    private var suffix: String {
        switch self {
        case .input: "_in"
        case .forward: ""
        case .output: "_out"
        }
    }

    func program(_ family: AddressFamily) -> String { "bulkhead\(family.rawValue)\(suffix)" }
    func link(_ family: AddressFamily) -> String { "link\(family.rawValue)\(suffix)" }
}

/// The loaded programs, one for each hook and family.
struct HookPrograms: ~Copyable {
    private let forward4: Descriptor
    private let forward6: Descriptor
    private let input4: Descriptor
    private let input6: Descriptor
    private let output4: Descriptor
    private let output6: Descriptor

    static var names: [String] {
        PacketHook.allCases.flatMap { hook in AddressFamily.allCases.map { hook.program($0) } }
    }

    /// - Parameter open: the descriptor of the program with a name.
    init(_ open: (String) throws(DatapathError) -> Descriptor) throws(DatapathError) {
        // All opened before any is stored: a value that may not be copied is made whole or not at all.
        let forward4Opened = try open(PacketHook.forward.program(.ipv4))
        let forward6Opened = try open(PacketHook.forward.program(.ipv6))
        let input4Opened = try open(PacketHook.input.program(.ipv4))
        let input6Opened = try open(PacketHook.input.program(.ipv6))
        let output4Opened = try open(PacketHook.output.program(.ipv4))
        let output6Opened = try open(PacketHook.output.program(.ipv6))
        forward4 = forward4Opened
        forward6 = forward6Opened
        input4 = input4Opened
        input6 = input6Opened
        output4 = output4Opened
        output6 = output6Opened
    }

    /// The descriptor; it stays this value's.
    func raw(_ hook: PacketHook, _ family: AddressFamily) -> Int32 {
        switch (hook, family) {
        case (.forward, .ipv4): forward4.raw
        case (.forward, .ipv6): forward6.raw
        case (.input, .ipv4): input4.raw
        case (.input, .ipv6): input6.raw
        case (.output, .ipv4): output4.raw
        case (.output, .ipv6): output6.raw
        }
    }
}

extension Generation {
    /// The hooks whose packets the tables judge.
    var wantedHooks: [PacketHook] {
        if judgesOwnNode { return [.forward] + PacketHook.ownNode }
        // Sources are checked, and tunnels guarded, of packets to the node itself as well.
        return guardsTunnels || !endpoints.places.isEmpty ? [.forward, .input] : [.forward]
    }

    /// The hooks with a pinned link.
    var pinnedHooks: Set<PacketHook> {
        Set(PacketHook.allCases.filter { Pins.exists(directory + "/" + $0.link(.ipv4)) })
    }

    /// Throws where a program is not attached at a hook whose packets the tables judge.
    func checkLinks() throws(DatapathError) {
        for hook in wantedHooks {
            for family in AddressFamily.allCases { try checkLink(hook, family) }
        }
    }

    private func checkLink(_ hook: PacketHook, _ family: AddressFamily) throws(DatapathError) {
        let path = directory + "/" + hook.link(family)
        guard Pins.exists(path) else { throw .missing("the link \(path)") }
        let link = try Pins.get(path)
        let program = program(at: hook, family)
        var (domain, number, priority, attached) = (UInt32(0), UInt32(0), Int32(0), UInt32(0))
        let code = bh_link_info(link.raw, &domain, &number, &priority, &attached)
        guard code == 0 else { throw .system(operation: "reading \(path)", code: -code, detail: "") }
        guard number == hook.rawValue, attached == (try programNumber(program)) else {
            throw .missing("our program at \(path)")
        }
        // A link that somebody has detached, or whose network namespace is not this one, says nothing of it. But where
        // it is attached here, its place in the hook is taken.
        let second = bh_link_netfilter(program, domain, number, priority, 0)
        guard second < 0 else {
            close(second)
            throw .missing("the hook of \(path)")
        }
        guard second == -EBUSY || second == -EEXIST else {
            throw .system(operation: "looking at the \(hook) hook", code: -second, detail: "")
        }
    }

    /// The kernel's number of a program.
    private func programNumber(_ program: Int32) throws(DatapathError) -> UInt32 {
        var info = bpf_prog_info()
        var size = UInt32(MemoryLayout<bpf_prog_info>.size)
        guard bpf_obj_get_info_by_fd(program, &info, &size) == 0 else {
            throw .system(operation: "reading a program's number", code: errno, detail: "")
        }
        return info.id
    }

    /// Attaches the programs of these hooks where they are not, beside whatever else is attached.
    func attach(_ hooks: [PacketHook], priority: Int32) throws(DatapathError) {
        for hook in hooks {
            for family in AddressFamily.allCases { try attach(hook, family, priority) }
        }
    }

    private func isAttached(_ hook: PacketHook, _ family: AddressFamily) throws(DatapathError) -> Bool {
        do {
            try checkLink(hook, family)
            return true
        } catch {
            guard case .missing = error else { throw error }
            return false
        }
    }

    private func attach(_ hook: PacketHook, _ family: AddressFamily, _ wanted: Int32) throws(DatapathError) {
        let path = directory + "/" + hook.link(family)
        if try isAttached(hook, family) { return }
        let domain = UInt32(family == .ipv4 ? AF_INET : AF_INET6)
        // Another hook at the same priority: the next one does as well.
        for priority in wanted..<wanted + 32 {
            let link = bh_link_netfilter(program(at: hook, family), domain, hook.rawValue, priority, 0)
            if link == -EBUSY || link == -EEXIST { continue }
            guard link >= 0 else {
                if link == -EOPNOTSUPP || link == -EINVAL {
                    throw .unsupported(
                        what: "this kernel has no netfilter BPF links",
                        remedy: "use Linux 6.4 or later with CONFIG_NETFILTER_BPF_LINK")
                }
                throw .system(operation: "attaching to the \(hook) hook", code: -link, detail: "")
            }
            // What a link that is detached has left.
            unlink(path)
            try Pins.pin(Descriptor(link), at: path)
            return
        }
        throw .limit(what: "hooks at neighbouring priorities of the \(hook) hook", limit: 32)
    }

    // MARK: Packets between endpoints and the node itself

    /// Whether the tables say that they are judged.
    var judgesOwnNode: Bool { memory.load(Self.headerWord(\.own_node)) != 0 }

    /// Says whether they are judged: one store, after all that judges them. The programs must be attached before.
    func setJudgesOwnNode(_ judges: Bool) {
        if judges { mayJudgeOutput = true }
        memory.update(Self.headerWord(\.own_node), judges ? 1 : 0)
    }

    /// Takes programs away from hooks where the tables judge nothing: traffic there is then as quick as without them.
    func detachUnwanted() throws(DatapathError) {
        let wanted = wantedHooks
        for hook in PacketHook.allCases where !wanted.contains(hook) {
            for family in AddressFamily.allCases {
                let path = directory + "/" + hook.link(family)
                guard unlink(path) == 0 || errno == ENOENT else {
                    throw .system(operation: "removing \(path)", code: errno, detail: "")
                }
            }
        }
    }
}
