// SPDX-License-Identifier: Apache-2.0
import Glibc
import KubernetesObjects
import Synchronization
import WorldKit

/// What enforces in the kernel.
public enum NetDatapath: String, Sendable, CaseIterable {
    case ebpf
    case nftables

    /// Both, or those that `BULKHEAD_TEST_DATAPATHS` names: `scripts/kernels` also runs tests on kernels that have only
    /// one.
    public static let allCases: [NetDatapath] = {
        guard let names = getenv("BULKHEAD_TEST_DATAPATHS") else { return [.ebpf, .nftables] }
        return String(cString: names).split(separator: ",").map { name in
            guard let known = NetDatapath(rawValue: String(name)) else { fatalError("no datapath is named \(name)") }
            return known
        }
    }()
}

/// The real `bulkheadd` in a world's first node, driven over its control socket.
public final class NetDaemon: Sendable {
    private let world: NetWorld
    private let options: [String]
    private let wrapper: [String]
    private let name: String
    private let process = Mutex<NetProcess?>(nil)
    private let started: Mutex<NetDatapath>

    /// The node's name in objects.
    public static let nodeName = "node"

    /// - Parameters:
    ///   - options: more options of `bulkheadd`, such as `--manifests`.
    ///   - name: its node's, in objects.
    ///   - wrapper: what starts it, to be followed by its own arguments; it must become the daemon.
    public init(
        in world: NetWorld, datapath: NetDatapath = .ebpf, options: [String] = [],
        name: String = NetDaemon.nodeName, wrapper: [String] = []
    ) throws {
        self.world = world
        self.name = name
        started = Mutex(datapath)
        self.options = options
        self.wrapper = wrapper
        try start()
    }

    public var socket: String { "\(world.directory)/bulkheadd.sock" }
    /// With which it runs, or ran last.
    public var datapath: NetDatapath { started.withLock { $0 } }
    public var pid: pid_t { process.withLock { $0?.pid ?? 0 } }
    /// What the running, or else the last, process has logged.
    public var log: String { process.withLock { $0?.output ?? "" } }

    /// Starts it and waits until it answers, which it does once the kernel is programmed.
    ///
    /// - Parameter datapath: nil: the one that it ran with before.
    public func start(_ datapath: NetDatapath? = nil) throws {
        if let datapath { started.withLock { $0 = datapath } }
        let arguments = [
            try Self.executable("bulkheadd"), "--node-name", name, "--bpffs", world.bpffs, "--socket", socket,
            "--datapath", self.datapath.rawValue,
        ]
        let started = try world.node.start(wrapper + arguments + options)
        process.withLock { $0 = started }
        try NetClock.wait("bulkheadd to answer; its log:\n\(started.output)", seconds: 20) {
            if let status = started.status {
                throw NetError.command("bulkheadd", status: status, output: started.output)
            }
            // A program that asks before anyone listens only takes the processor from the daemon.
            return NetSocket.isServed(socket) && (try? get("/v1/status")) != nil
        }
    }

    /// Sends a signal and waits for the end.
    @discardableResult public func stop(_ signal: Int32 = SIGTERM) throws -> Int32 {
        guard let running = process.withLock({ $0 }) else { return 0 }
        return try running.stop(signal)
    }

    /// Applies objects; when this returns, they are in force.
    public func apply(_ objects: [KubernetesObject]) throws { try apply(KubernetesYAML.text(of: objects)) }

    /// Puts the objects of a manifest in force; when this returns, they are.
    public func apply(_ manifest: String) throws {
        try curl(["-X", "PUT", "--data-binary", "@-"], "/v1/objects", body: manifest)
    }

    /// What the objects of a manifest would change, as the daemon answers.
    public func preview(_ manifest: String) throws -> String {
        try curl(["-X", "POST", "--data-binary", "@-"], "/v1/preview", body: manifest)
    }

    /// Removes the objects that a manifest names; when this returns, they are gone.
    public func delete(_ manifest: String) throws {
        try curl(["-X", "DELETE", "--data-binary", "@-"], "/v1/objects", body: manifest)
    }

    /// Whether all that the API server held was in force once.
    public var knowsCluster: Bool { get throws { try get("/v1/status").contains(#""complete":true"#) } }

    /// - Parameter interval: milliseconds between two questions.
    public func waitUntilClusterIsKnown(seconds: Double = 60, every interval: Double = 2) throws {
        try NetClock.wait("the cluster to be known; log:\n\(log)", seconds: seconds, every: interval) {
            try knowsCluster
        }
    }

    public func get(_ path: String) throws -> String { try curl([], path, body: "") }

    @discardableResult private func curl(_ options: [String], _ path: String, body: String) throws -> String {
        let quietly = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "20"]
        let request = ["--unix-socket", socket, "http://localhost\(path)"]
        return try NetProcess.run(quietly + options + request, input: body)
    }

    /// Removes all that is in the kernel, as a person would.
    public static func uninstall(from world: NetWorld) throws {
        let executable = try executable("bulkheadctl")
        try world.node.command(executable, "uninstall", "--bpffs", world.bpffs)
    }

    /// A product of the same build as the running program, in the same directory.
    public static func executable(_ name: String) throws -> String {
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count - 1)
        guard length > 0 else { throw NetError.system("readlink /proc/self/exe", errno) }
        let own = String(decoding: path[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = own.split(separator: "/").dropLast().joined(separator: "/")
        let executable = "/\(folder)/\(name)"
        guard access(executable, X_OK) == 0 else { throw NetError.missing(executable) }
        return executable
    }
}
