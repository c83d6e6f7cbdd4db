// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

/// The part of core/v1 Service that says which pods get its packets. Policy does not know Services; questions do.
public struct Service: Sendable, Hashable {
    public struct Port: Sendable, Hashable {
        public enum Target: Sendable, Hashable {
            case number(UInt16)
            /// A container port's name: each pod has its own number.
            case named(String)
        }
        /// Empty for the only one.
        public var name: String
        public var ipProtocol: IPProtocol
        public var number: UInt16
        public var target: Target
    }

    public var namespace: String
    public var name: String
    /// spec.clusterIPs and spec.clusterIP.
    public var addresses: [IPAddress]
    /// Empty if its endpoints are not selected by labels.
    public var selector: [String: String]
    public var ports: [Port]

    /// The readable parts of a document, which is not validated: nothing is enforced by it. Nil if it has no name.
    public init?(_ document: DocumentNode) {
        guard let name = document["metadata"]?["name"]?.string else { return nil }
        self.name = name
        namespace = document["metadata"]?["namespace"]?.string ?? "default"
        let spec = document["spec"]
        let texts =
            Self.items(spec?["clusterIPs"]).compactMap(\.string) + [spec?["clusterIP"]?.string].compactMap(\.self)
        addresses = Set(texts.compactMap { try? IPAddress($0) }).sorted()
        selector = [:]
        if case .mapping(let entries)? = spec?["selector"]?.value {
            for entry in entries { selector[entry.key] = entry.value.string }
        }
        ports = Self.items(spec?["ports"]).compactMap { Self.port($0) }
    }

    private static func port(_ node: DocumentNode) -> Port? {
        guard let number = number(node["port"]) else { return nil }
        let ipProtocol = node["protocol"]?.string.flatMap { IPProtocol(name: $0) } ?? .tcp
        let target: Port.Target =
            if let name = node["targetPort"]?.string { .named(name) } else {
                .number(Self.number(node["targetPort"]) ?? number)
            }
        return Port(name: node["name"]?.string ?? "", ipProtocol: ipProtocol, number: number, target: target)
    }

    private static func number(_ node: DocumentNode?) -> UInt16? {
        guard case .integer(let value)? = node?.value else { return nil }
        return UInt16(exactly: value)
    }

    private static func items(_ node: DocumentNode?) -> [DocumentNode] {
        guard case .sequence(let items)? = node?.value else { return [] }
        return items
    }
}
