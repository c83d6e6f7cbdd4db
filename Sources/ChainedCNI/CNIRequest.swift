// SPDX-License-Identifier: Apache-2.0
import Documents

/// One call of the plugin, read from its environment and its standard input.
public struct CNIRequest: Sendable, Hashable {
    public enum Command: String, Sendable, CaseIterable {
        case add = "ADD"
        case delete = "DEL"
        case check = "CHECK"
        case version = "VERSION"
        case status = "STATUS"
        case collect = "GC"
    }

    public var command: Command
    /// The sandbox and the interface in it.
    public var attachment: Attachment
    public var network: String
    public var settings: PluginSettings
    /// The pod, for ADD.
    public var pod: PodIdentity?
    /// For ADD and CHECK.
    public var previous: PreviousResult?
    /// For GC: all attachments of the network that the runtime still has.
    public var valid: [Attachment] = []

    public struct Attachment: Sendable, Hashable {
        public var container: String
        public var ifname: String
        public init(container: String, ifname: String) {
            self.container = container
            self.ifname = ifname
        }
    }

    /// The command, which decides what else is required.
    public static func command(_ environment: [String: String]) throws(CNIError) -> Command {
        let text = try variable("CNI_COMMAND", environment)
        guard let command = Command(rawValue: text) else {
            let known = Command.allCases.map(\.rawValue).joined(separator: ", ")
            throw CNIError(.invalidEnvironment, "CNI_COMMAND must be one of \(known)", details: String(text.prefix(64)))
        }
        return command
    }

    /// Reads a call.
    ///
    /// - Parameters:
    ///   - environment: that of the process.
    ///   - input: all of standard input.
    public init(_ command: Command, _ environment: [String: String], _ input: [UInt8]) throws(CNIError) {
        self.command = command
        attachment = Attachment(container: "", ifname: "")
        if [.add, .delete, .check].contains(command) {
            attachment.container = try Self.variable("CNI_CONTAINERID", environment)
            attachment.ifname = try Self.variable("CNI_IFNAME", environment)
            try Self.check(attachment)
        }
        if [.add, .check].contains(command) { _ = try Self.variable("CNI_NETNS", environment) }
        let placed = try Self.configuration(input)
        let configuration = placed.node
        network = try Self.text("name", configuration)
        settings = try PluginSettings(configuration)
        if command == .add { pod = try PodIdentity(arguments: environment["CNI_ARGS"]) }
        if [.add, .check].contains(command) { previous = try Self.previous(placed, input) }
        if command == .collect { valid = try Self.valid(configuration) }
    }

    /// The version that a configuration names, as far as it can be read: for answers.
    public static func version(of input: [UInt8]) -> String? {
        (try? JSONReader.read(input, limits: CNILimits.text))?["cniVersion"]?.string
    }

    private static func configuration(_ input: [UInt8]) throws(CNIError) -> PlacedNode {
        let placed: PlacedNode
        do {
            placed = try JSONReader.readPlaced(input, limits: CNILimits.text)
        } catch {
            throw CNIError(
                .undecodable, "the network configuration on standard input is not valid JSON", details: "\(error)")
        }
        guard case .mapping = placed.node.value else {
            throw CNIError(.invalidConfiguration, "the network configuration is not a JSON object")
        }
        guard let version = placed.node["cniVersion"]?.string else {
            throw CNIError(.incompatibleVersion, "the network configuration has no cniVersion")
        }
        guard CNIVersion.supported.contains(version) else {
            throw CNIError(
                .incompatibleVersion, "cniVersion \(JSONString.quoted(String(version.prefix(64)))) is not supported",
                details: "supported: \(CNIVersion.supported.joined(separator: ", "))")
        }
        return placed
    }

    private static func previous(_ configuration: PlacedNode, _ input: [UInt8]) throws(CNIError) -> PreviousResult {
        guard let result = configuration["prevResult"], !result.node.isNull else {
            throw CNIError(
                .invalidConfiguration, "prevResult is missing",
                details: "\(PluginSettings.type) runs after another plugin that creates the pod's network")
        }
        return try PreviousResult(result.node, text: Array(input[result.range]))
    }

    private static func valid(_ configuration: DocumentNode) throws(CNIError) -> [Attachment] {
        let key = "cni.dev/valid-attachments"
        guard case .sequence(let items) = configuration[key]?.value else {
            throw CNIError(.invalidConfiguration, "'\(key)' must be a list")
        }
        var valid: [Attachment] = []
        for (index, item) in items.enumerated() {
            guard let container = item["containerID"]?.string, let ifname = item["ifname"]?.string else {
                throw CNIError(.invalidConfiguration, "'\(key)'[\(index)] has no containerID or no ifname")
            }
            valid.append(Attachment(container: container, ifname: ifname))
        }
        return valid
    }

    private static func text(_ key: String, _ configuration: DocumentNode) throws(CNIError) -> String {
        guard let text = configuration[key]?.string, !text.isEmpty, text.utf8.count <= 256 else {
            throw CNIError(
                .invalidConfiguration, "the network configuration's '\(key)' must be a string of 1 to 256 bytes")
        }
        return text
    }

    private static func variable(_ name: String, _ environment: [String: String]) throws(CNIError) -> String {
        guard let value = environment[name], !value.isEmpty else {
            throw CNIError(.invalidEnvironment, "the environment variable \(name) is missing")
        }
        return value
    }

    /// The forms that the specification allows.
    private static func check(_ attachment: Attachment) throws(CNIError) {
        let container = attachment.container.utf8
        let isName = container.allSatisfy { byte in
            byte.isASCIIAlphanumeric || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
                || byte == UInt8(ascii: "-")
        }
        guard isName, container.first!.isASCIIAlphanumeric, container.count <= 256 else {
            throw CNIError(.invalidEnvironment, "CNI_CONTAINERID may have only letters, digits, '_', '.' and '-'")
        }
        let ifname = attachment.ifname
        guard ifname.utf8.count <= 15, ifname != ".", ifname != "..",
            ifname.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") })
        else { throw CNIError(.invalidEnvironment, "CNI_IFNAME is not a valid interface name") }
    }
}

/// The pod of a sandbox, as the runtime names it in CNI_ARGS.
public struct PodIdentity: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var uid: String

    /// Reads `KEY=value;…`.
    init(arguments text: String?) throws(CNIError) {
        guard let text, !text.isEmpty else {
            throw CNIError(
                .invalidEnvironment, "the environment variable CNI_ARGS is missing: it must name the pod",
                details: "only a Kubernetes runtime can use this network")
        }
        var values: [String: String] = [:]
        for pair in text.split(separator: ";") {
            guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex else {
                throw CNIError(
                    .invalidEnvironment, "CNI_ARGS has a part that is not KEY=value", details: String(pair.prefix(64)))
            }
            values[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
        }
        func value(_ key: String, _ limit: Int) throws(CNIError) -> String {
            guard let value = values[key], !value.isEmpty else {
                throw CNIError(
                    .invalidEnvironment, "CNI_ARGS has no \(key)",
                    details: "the runtime must pass it, as containerd and CRI-O do")
            }
            guard value.utf8.count <= limit, value.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                throw CNIError(.invalidEnvironment, "\(key) in CNI_ARGS must have 1 to \(limit) visible characters")
            }
            return value
        }
        namespace = try value("K8S_POD_NAMESPACE", 63)
        name = try value("K8S_POD_NAME", 253)
        uid = try value("K8S_POD_UID", 128)
    }
}
