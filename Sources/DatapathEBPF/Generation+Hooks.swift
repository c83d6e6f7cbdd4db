// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import Datapath
import Glibc
import NetworkTypes

/// A hook of netfilter at which a program judges packets (`enum nf_inet_hooks`).
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

    /// The names of all programs.
    static var programs: [String] {
        allCases.flatMap { hook in AddressFamily.allCases.map { hook.program($0) } }
    }
}

extension Generation {
    /// The hooks at which the tables judge packets.
    var wantedHooks: [PacketHook] {
        if judgesOwnNode { return [.forward] + PacketHook.ownNode }
        // Packets to the node itself are also checked for their source and for tunnels.
        return guardsTunnels || !endpoints.places.isEmpty ? [.forward, .input] : [.forward]
    }

    /// The hooks with a link.
    var linkedHooks: Set<PacketHook> { Set(PacketHook.allCases.filter { held.holds($0.link(.ipv4)) }) }

    /// Throws if a program is not attached at a hook where the tables judge packets.
    func checkLinks() throws(DatapathError) {
        for hook in wantedHooks {
            for family in AddressFamily.allCases {
                let path = directory + "/" + hook.link(family)
                guard held.holds(hook.link(family)) else { throw .missing("the link \(path)") }
                let second = try attachAgain(hook, family)
                guard second >= 0 else { continue }
                close(second)
                throw .missing("the hook of \(path)")
            }
        }
    }

    /// Tries to attach the program once more at the place of its link. A detached link looks like any other, but if it
    /// is still attached, its place in the hook is taken.
    ///
    /// - Returns: a new link, or -1 if the place is taken.
    func attachAgain(_ hook: PacketHook, _ family: AddressFamily) throws(DatapathError) -> Int32 {
        var (domain, number, priority, attached) = (UInt32(0), UInt32(0), Int32(0), UInt32(0))
        let code = bh_link_info(held.raw(hook.link(family)), &domain, &number, &priority, &attached)
        guard code == 0 else { throw .system(operation: "reading the link of \(hook)", code: -code, detail: "") }
        let second = bh_link_netfilter(program(at: hook, family), domain, number, priority, 0)
        guard second >= 0 || second == -EBUSY || second == -EEXIST else {
            throw .system(operation: "looking at the \(hook) hook", code: -second, detail: "")
        }
        return second >= 0 ? second : -1
    }

    /// The program that a hook calls by our link.
    func attachedProgram(_ hook: PacketHook, _ family: AddressFamily) throws(DatapathError) -> ProgramIdentity {
        var (domain, number, priority, attached) = (UInt32(0), UInt32(0), Int32(0), UInt32(0))
        let code = bh_link_info(held.raw(hook.link(family)), &domain, &number, &priority, &attached)
        guard code == 0 else { throw .system(operation: "reading the link of \(hook)", code: -code, detail: "") }
        let second = try attachAgain(hook, family)
        guard second < 0 else {
            close(second)
            throw .missing("the program at the \(hook) hook, \(family),")
        }
        // Opening a program by its number requires CAP_SYS_ADMIN, which the daemon may lack: ours is open.
        let ours = try ProgramIdentity(program(at: hook, family))
        guard ours.number == attached else {
            throw .corrupt("the \(hook) hook, \(family), calls the program \(attached), not \(ours.number)")
        }
        return ours
    }

    /// Attaches the programs of these hooks that are not attached, beside whatever else is attached.
    ///
    /// - Returns: what was attached, in words.
    @discardableResult
    func attach(_ hooks: [PacketHook], priority: Int32) throws(DatapathError) -> [String] {
        var attached: [String] = []
        for hook in hooks {
            for family in AddressFamily.allCases where try attach(hook, family, priority) {
                attached.append("the program at the \(hook) hook, \(family)")
            }
        }
        return attached
    }

    /// Returns whether it was attached now.
    private func attach(
        _ hook: PacketHook, _ family: AddressFamily, _ wanted: Int32
    ) throws(DatapathError) -> Bool {
        let name = hook.link(family)
        if !held.holds(name) { try takeOver(hook, family) }
        if held.holds(name) {
            let second = try attachAgain(hook, family)
            if second >= 0 { held.hold(Descriptor(second), as: name) }
            return second >= 0
        }
        let domain = UInt32(family == .ipv4 ? AF_INET : AF_INET6)
        // Another hook may have the same priority: the next one works as well.
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
            held.hold(Descriptor(link), as: name)
            return true
        }
        throw .limit(what: "hooks at neighboring priorities of the \(hook) hook", limit: 32)
    }

    /// Detaches all programs. Removing the last reference of a link would do so some time later.
    func detach() {
        for hook in PacketHook.allCases {
            for family in AddressFamily.allCases where held.holds(hook.link(family)) {
                // What others have detached is detached.
                _ = bpf_link_detach(held.raw(hook.link(family)))
                held.release(hook.link(family))
            }
        }
    }

    /// Takes the link that a previous run has pinned, if it belongs to this program.
    private func takeOver(_ hook: PacketHook, _ family: AddressFamily) throws(DatapathError) {
        let name = hook.link(family)
        guard Pins.exists(directory + "/" + name) else { return }
        try held.holdPinned(name, in: directory)
        var (domain, number, priority, attached) = (UInt32(0), UInt32(0), Int32(0), UInt32(0))
        let code = bh_link_info(held.raw(name), &domain, &number, &priority, &attached)
        let wanted = try ProgramIdentity(program(at: hook, family)).number
        if code != 0 || number != hook.rawValue || attached != wanted { held.release(name) }
    }

    // MARK: Packets between endpoints and the node itself

    /// Whether the tables say that they are judged.
    var judgesOwnNode: Bool { memory.load(Self.headerWord(\.own_node)) != 0 }

    /// Sets whether they are judged: one store, after everything that judges them. The programs must be attached
    /// before.
    func setJudgesOwnNode(_ judges: Bool) {
        if judges { mayJudgeOutput = true }
        memory.update(Self.headerWord(\.own_node), judges ? 1 : 0)
    }

    /// Detaches programs from hooks where the tables judge nothing: traffic there is then as fast as without them.
    func detachUnwanted() throws(DatapathError) {
        let wanted = wantedHooks
        for hook in PacketHook.allCases where !wanted.contains(hook) {
            for family in AddressFamily.allCases {
                held.release(hook.link(family))
                let path = directory + "/" + hook.link(family)
                guard unlink(path) == 0 || errno == ENOENT else {
                    throw .system(operation: "removing \(path)", code: errno, detail: "")
                }
            }
        }
    }
}
