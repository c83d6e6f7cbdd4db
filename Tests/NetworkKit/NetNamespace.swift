// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetworkTypes
import Synchronization

/// A network namespace under /run/netns that a test made.
public struct NetNamespace: Sendable, Hashable {
    /// As `ip netns` names it: ``prefix``, process number, serial number, role.
    public let name: String
    public init(name: String) { self.name = name }

    public var path: String { "/run/netns/\(name)" }

    /// What all names begin with.
    public static let prefix = "bhnet-"

    /// Runs `body` inside on a thread of its own. Sockets that it opens and processes that it starts stay inside.
    public func run<Value>(_ body: () throws -> Value) throws -> Value {
        try NetThread.run {
            try enter()
            return try body()
        }
    }

    /// Moves the calling thread inside, for good: for threads of one's own only.
    public func enter() throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw NetError.system("open \(path)", errno) }
        defer { close(file) }
        let failure = bh_enter_network_namespace(file)
        guard failure == 0 else { throw NetError.system("setns \(name)", -failure) }
    }

    /// Runs a command inside to its end.
    @discardableResult public func command(_ arguments: String..., input: String = "") throws -> String {
        try run { try NetProcess.run(arguments, input: input) }
    }

    /// Starts a process inside.
    public func start(_ arguments: [String]) throws -> NetProcess { try run { try NetProcess(arguments) } }

    /// Carries out `ip` commands inside, one a line.
    public func ip(_ lines: [String]) throws {
        try NetProcess.run(["ip", "-n", name, "-batch", "-"], input: lines.joined(separator: "\n") + "\n")
    }

    /// Sets values under /proc/sys/net, as `ipv4/ip_forward`.
    public func sysctl(_ values: [(String, Int)]) throws {
        try run {
            for (key, value) in values {
                let file = open("/proc/sys/net/\(key)", O_WRONLY | O_CLOEXEC)
                guard file >= 0 else { throw NetError.system("open /proc/sys/net/\(key)", errno) }
                defer { close(file) }
                // Without a line break: for ipv6/conf/all/forwarding, Linux 6.1 returns 1 whatever was written.
                let text = Array("\(value)".utf8)
                guard write(file, text, text.count) == text.count else { throw NetError.system("set \(key)", errno) }
            }
        }
    }

    /// The six bytes of an interface's address.
    public func hardwareAddress(of interface: String = "eth0") throws -> [UInt8] {
        let words = try command("ip", "-o", "link", "show", "dev", interface).split(separator: " ")
        guard let place = words.firstIndex(of: "link/ether"), place + 1 < words.count else {
            throw NetError.missing("the hardware address of \(interface) in \(name)")
        }
        return words[place + 1].split(separator: ":").compactMap { UInt8($0, radix: 16) }
    }

    /// Ends what runs inside and removes the namespace.
    public func remove() { Self.remove([self]) }

    /// The same for several, as `ip netns pids` and `ip netns delete` do it: with one look at the machine's processes and
    /// without a process for each step, because a test run removes thousands.
    static func remove(_ namespaces: [NetNamespace]) {
        let present = namespaces.filter { $0.name.hasPrefix(prefix) && access($0.path, F_OK) == 0 }
        if present.isEmpty { return }
        let files = Set(present.compactMap { Identity(of: $0.path) })
        for process in names(in: "/proc", beginningWith: "").compactMap({ pid_t($0) }) where process != getpid() {
            guard let inside = Identity(of: "/proc/\(process)/ns/net"), files.contains(inside) else { continue }
            kill(process, SIGKILL)
        }
        for namespace in present {
            umount2(namespace.path, 2)  // MNT_DETACH
            unlink(namespace.path)
        }
    }

    /// By which two paths are known as the same namespace.
    private struct Identity: Hashable {
        let device: dev_t
        let number: ino_t

        init?(of path: String) {
            var facts = stat()
            guard stat(path, &facts) == 0 else { return nil }
            (device, number) = (facts.st_dev, facts.st_ino)
        }
    }

    /// Removes what test processes that are gone have left behind. Once in a process is enough.
    public static func sweep() {
        swept.withLock { done in
            if done { return }
            done = true
            let orphans = names(in: "/run/netns", beginningWith: prefix).filter {
                isOrphan($0.dropFirst(prefix.count))
            }
            remove(orphans.map { NetNamespace(name: $0) })
            let directories = names(in: "/run", beginningWith: directoryPrefix)
            for name in directories where isOrphan(name.dropFirst(directoryPrefix.count)) {
                NetWorld.removeDirectory("/run/\(name)")
            }
        }
    }
    private static let swept = Mutex(false)

    /// What the names of the worlds' directories under /run begin with.
    static let directoryPrefix = "bulkhead-test-"

    /// Whether root is root only here: in a user namespace that does not have all users.
    static let isInUserNamespace: Bool = {
        guard let text = try? NetProcess.run(["cat", "/proc/self/uid_map"]) else { return false }
        return text.split(whereSeparator: \.isWhitespace) != ["0", "0", "4294967295"]
    }()

    private static func isOrphan(_ rest: Substring) -> Bool {
        guard let pid = rest.split(separator: "-").first.flatMap({ pid_t($0) }) else { return false }
        return kill(pid, 0) != 0 && errno == ESRCH
    }

    private static func names(in directory: String, beginningWith prefix: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(prefix) { names.append(name) }
        }
        return names
    }
}
