// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

/// The result of the plugins before this one (CNI specification, section 5, "ADD Success"), which is also its own
/// result.
public struct PreviousResult: Sendable, Hashable {
    /// As received, byte for byte.
    public var text: [UInt8]
    /// The pod's addresses.
    public var addresses: [IPAddress]
    /// Interfaces that were created on the node.
    public var hostInterfaces: [String]

    /// Limit of addresses of one pod.
    static let addressLimit = 32

    init(_ node: DocumentNode, text: [UInt8]) throws(CNIError) {
        guard case .mapping = node.value else { throw Self.invalid("is not an object") }
        self.text = text
        addresses = []
        hostInterfaces = []
        var isOnHost: [Bool] = []
        for (index, item) in try Self.list(node, "interfaces").enumerated() {
            guard let name = item["name"]?.string else { throw Self.invalid("interfaces[\(index)] has no name") }
            isOnHost.append(item["sandbox"]?.isEmpty ?? true)
            if isOnHost[index] { hostInterfaces.append(name) }
        }
        for (index, item) in try Self.list(node, "ips").enumerated() {
            guard let text = item["address"]?.string, let address = Self.address(text) else {
                throw Self.invalid("ips[\(index)] has no valid address")
            }
            if let place = item["interface"], !place.isNull {
                guard case .integer(let number) = place.value, let interface = Int(exactly: number),
                    isOnHost.indices.contains(interface)
                else { throw Self.invalid("ips[\(index)] is on an interface that is not listed") }
                // An address of the node's own end of the pair.
                if isOnHost[interface] { continue }
            }
            if !addresses.contains(address) { addresses.append(address) }
        }
        guard !addresses.isEmpty else { throw Self.invalid("has no address of the pod") }
        guard addresses.count <= Self.addressLimit else {
            throw Self.invalid("has more than \(Self.addressLimit) addresses")
        }
    }

    private static func list(_ node: DocumentNode, _ key: String) throws(CNIError) -> [DocumentNode] {
        guard let value = node[key], !value.isNull else { return [] }
        guard case .sequence(let items) = value.value else { throw invalid("\(key) is not a list") }
        return items
    }

    /// `address/length`.
    private static func address(_ text: String) -> IPAddress? {
        guard let slash = text.lastIndex(of: "/") else { return nil }
        return try? IPAddress(text[..<slash])
    }

    private static func invalid(_ reason: String) -> CNIError {
        CNIError(.invalidConfiguration, "prevResult \(reason)")
    }
}
