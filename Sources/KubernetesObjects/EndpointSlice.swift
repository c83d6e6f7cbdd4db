// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

/// The part of discovery.k8s.io/v1 EndpointSlice that says to which addresses a Service sends packets.
public struct EndpointSlice: Sendable, Hashable {
    public struct Endpoint: Sendable, Hashable {
        public var addresses: [IPAddress]
        /// conditions.ready; an endpoint that does not say is ready.
        public var isReady: Bool
    }

    public struct Port: Sendable, Hashable {
        /// The name of the Service's port; empty for the only one.
        public var name: String
        public var ipProtocol: IPProtocol
        public var number: UInt16
    }

    public var namespace: String
    /// The label `kubernetes.io/service-name`: the Service's name.
    public var service: String
    public var endpoints: [Endpoint]
    public var ports: [Port]

    /// The readable parts of a document, which is not validated: nothing is enforced by it. Nil if it belongs to no
    /// Service, or its endpoints have names instead of addresses (`addressType: FQDN`).
    public init?(_ document: DocumentNode) {
        guard let metadata = document["metadata"],
            let service = metadata["labels"]?["kubernetes.io/service-name"]?.string, !service.isEmpty,
            ["IPv4", "IPv6"].contains(document["addressType"]?.string ?? "")
        else { return nil }
        self.service = service
        namespace = metadata["namespace"]?.string ?? "default"
        endpoints = document["endpoints"].items.map { node in
            Endpoint(
                addresses: node["addresses"].items.compactMap { $0.string.flatMap { try? IPAddress($0) } },
                isReady: node["conditions"]?["ready"]?.value != .bool(false))
        }
        ports = document["ports"].items.compactMap { Self.port($0) }
    }

    /// A port without a number stands for every port, and no Service has one.
    private static func port(_ node: DocumentNode) -> Port? {
        guard case .integer(let value)? = node["port"]?.value, let number = UInt16(exactly: value) else { return nil }
        return Port(
            name: node["name"]?.string ?? "",
            ipProtocol: node["protocol"]?.string.flatMap { IPProtocol(name: $0) } ?? .tcp, number: number)
    }
}

extension DocumentNode? {
    /// Empty unless it is a list.
    fileprivate var items: [DocumentNode] {
        guard case .sequence(let items)? = self?.value else { return [] }
        return items
    }
}
