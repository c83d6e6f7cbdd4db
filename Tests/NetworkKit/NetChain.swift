// SPDX-License-Identifier: Apache-2.0
import Documents
import Glibc
import KubernetesObjects
import NetworkTypes

/// A node's CNI configuration, carried out as a container runtime does it: one plugin after the other, each with the
/// result of the one before (CNI specification, section 3).
public struct NetChain: Sendable {
    /// The configuration, with one plugin a line.
    public let configuration: String
    public let version: String
    private let world: NetWorld
    /// The runtime's own, beside those that Debian brings.
    private let binaries: String

    /// A pod's sandbox.
    public struct Sandbox: Sendable {
        public let container: String
        public let namespace: NetNamespace
        public let podName: String
        public let uid: String
        public init(container: String, namespace: NetNamespace, podName: String, uid: String) {
            self.container = container
            self.namespace = namespace
            self.podName = podName
            self.uid = uid
        }
    }

    /// What a plugin said when it failed.
    public struct Failure: Error, CustomStringConvertible {
        public var plugin: String
        public var answer: String
        /// The error's code (CNI specification, section 5).
        public var code: Int {
            guard case .integer(let code) = (try? JSONReader.read(Array(answer.utf8)))?["code"]?.value else { return 0 }
            return Int(code)
        }
        public var description: String { "\(plugin): \(answer)" }
    }

    /// - Parameters:
    ///   - configuration: path of a `.conflist` with one plugin a line.
    ///   - binaries: folder of more plugins.
    public init(in world: NetWorld, configuration: String, binaries: String, version: String = "1.0.0") {
        self.world = world
        self.configuration = configuration
        self.binaries = binaries
        self.version = version
    }

    /// The plugin that makes pods' networks, as text of a configuration's line. Addresses are the node's own pods'.
    ///
    /// - Parameter last: the last of the addresses to give, from the 100th on.
    public static func plugin(_ links: NetPodLinks, in world: NetWorld, last: Int = 199) -> String {
        let ranges = """
            "ranges":[[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.\(last)"}],\
            [{"subnet":"fd00:10:244::/64","rangeStart":"fd00:10:244::100","rangeEnd":"fd00:10:244::\(last)"}]]
            """
        let addresses = """
            "ipam":{"type":"host-local","dataDir":"\(world.directory)/ipam",\(ranges),\
            "routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}
            """
        switch links {
        case .routed: return "{\"type\":\"ptp\",\(addresses)}"
        case .bridged: return "{\"type\":\"bridge\",\"bridge\":\"cni0\",\"isGateway\":true,\(addresses)}"
        }
    }

    /// A configuration's text, one plugin a line.
    public static func list(_ plugins: [String], version: String = "1.0.0") -> String {
        """
        {
          "cniVersion": "\(version)",
          "name": "\(name)",
          "plugins": [
            \(plugins.joined(separator: ",\n    "))
          ]
        }

        """
    }

    static let name = "pods"

    /// - Returns: the last plugin's result.
    @discardableResult public func add(_ sandbox: Sandbox) throws -> String {
        var result: String?
        for plugin in try plugins() { result = try call("ADD", plugin, sandbox, result) }
        return result ?? ""
    }

    public func check(_ sandbox: Sandbox, _ result: String) throws {
        for plugin in try plugins() { try call("CHECK", plugin, sandbox, result) }
    }

    public func delete(_ sandbox: Sandbox) throws {
        for plugin in try plugins().reversed() { try call("DEL", plugin, sandbox, nil) }
    }

    /// Asks the last plugin whether pods can be started.
    public func status(_ sandbox: Sandbox) throws {
        guard let last = try plugins().last else { throw NetError.missing("plugins in \(configuration)") }
        try call("STATUS", last, sandbox, nil)
    }

    /// The pod's addresses in a result.
    public static func addresses(_ result: String) throws -> [IPAddress] {
        let node = try JSONReader.read(Array(result.utf8))
        guard case .sequence(let items) = node["ips"]?.value else { throw NetError.missing("ips in \(result)") }
        return try items.map { item in
            let text = item["address"]?.string ?? ""
            return try IPAddress(text.split(separator: "/").first ?? "")
        }
    }

    private func plugins() throws -> [String] {
        let text = try NetProcess.run(["cat", configuration])
        return text.split(separator: "\n").map { $0.drop { $0 == " " } }.filter { $0.hasPrefix("{\"") }.map {
            String($0.hasSuffix(",") ? $0.dropLast() : $0)
        }
    }

    @discardableResult public func call(
        _ command: String, _ plugin: String, _ sandbox: Sandbox, _ result: String?
    ) throws -> String {
        guard let type = try JSONReader.read(Array(plugin.utf8))["type"]?.string else {
            throw NetError.missing("a type in \(plugin)")
        }
        let own = "\(binaries)/\(type)"
        let program = access(own, X_OK) == 0 ? own : "\(Self.debian)/\(type)"
        guard access(program, X_OK) == 0 else { throw NetError.missing(program) }
        let previous = result.map { ",\"prevResult\":\($0)" } ?? ""
        let input = plugin.dropLast() + ",\"cniVersion\":\"\(version)\",\"name\":\"\(Self.name)\"\(previous)}"
        let pod = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=\(sandbox.podName);K8S_POD_UID=\(sandbox.uid)"
        let environment = [
            "CNI_COMMAND": command, "CNI_CONTAINERID": sandbox.container, "CNI_NETNS": sandbox.namespace.path,
            "CNI_IFNAME": "eth0", "CNI_PATH": "\(binaries):\(Self.debian)", "CNI_ARGS": "IgnoreUnknown=1;\(pod)",
        ]
        let process = try world.node.run {
            try NetProcess([program], input: String(input), environment: environment, keepsErrors: false)
        }
        guard process.finish() == 0 else { throw Failure(plugin: type, answer: process.output) }
        return process.output
    }

    /// Where Debian's containernetworking-plugins are.
    private static let debian = "/usr/lib/cni"
}
