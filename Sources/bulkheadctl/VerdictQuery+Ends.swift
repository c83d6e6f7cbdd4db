// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// The texts of a flow's ends: `namespace/pod`, `pod`, or an address.
extension VerdictQuery {
    private static let serviceWords: Set = ["svc", "service", "services"]

    /// - Parameter namespace: of a pod that is named without one; nil if it is required.
    static func end(_ text: some StringProtocol, namespace: String? = nil) throws(QueryError) -> FlowEnd {
        switch FlowEnd(text) {
        case .pod(let namespace, let name)?:
            // Names of namespaces have no dots; addresses do.
            if isName(namespace), isName(name), !namespace.contains("."), !serviceWords.contains(namespace) {
                return .pod(namespace: namespace, name: name)
            }
        case .address(let address)?: return .address(address)
        case nil: break
        }
        try refuseService(text)
        try refuseAddress(text)
        guard let namespace, isName(text) else {
            throw QueryError("'\(text)' \(FlowEnd.problem)")
        }
        return .pod(namespace: namespace, name: String(text))
    }

    /// The receiving end may be a Service: `svc/NAME`, `svc/NAMESPACE/NAME`, `NAMESPACE/svc/NAME`, `NAME.NAMESPACE.svc`.
    static func serviceOrEnd(_ text: String, namespace: String) throws(QueryError) -> End {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, serviceWords.contains(parts[0].lowercased()), isName(parts[1]) {
            return .service(namespace: namespace, name: parts[1])
        }
        if parts.count == 3, serviceWords.contains(parts[0].lowercased()), isName(parts[1]), isName(parts[2]) {
            return .service(namespace: parts[1], name: parts[2])
        }
        if parts.count == 3, serviceWords.contains(parts[1].lowercased()), isName(parts[0]), isName(parts[2]) {
            return .service(namespace: parts[0], name: parts[2])
        }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 1, labels.count > 2, labels[2] == "svc" {
            return .service(namespace: labels[1], name: labels[0])
        }
        return .flow(try end(text, namespace: namespace))
    }

    /// Services have no verdict: netfilter replaces their address by a backend's before a packet is judged.
    var serviceError: QueryError {
        var name = "that"
        if case .service(let namespace, let service) = to { name = "\(namespace)/\(service)" }
        return Self.serviceError(name)
    }

    private static func serviceError(_ name: some StringProtocol) -> QueryError {
        QueryError(
            "'\(name)' is a Service: policy judges the backend pod that receives the packet; ask about one of its pods, which "
                + "'kubectl get endpointslices' lists, or name manifests of the Service and its pods with --manifests")
    }

    private static func refuseService(_ text: some StringProtocol) throws(QueryError) {
        let parts = text.split(separator: "/")
        let isService = parts.count > 1 && parts.dropLast().contains { serviceWords.contains($0.lowercased()) }
        let isServiceName = parts.count == 1 && (text.hasSuffix(".svc") || text.contains(".svc."))
        if isService || isServiceName { throw serviceError(text) }
    }

    private static func refuseAddress(_ text: some StringProtocol) throws(QueryError) {
        if (try? CIDR(text)) != nil {
            throw QueryError("'\(text)' is a range of addresses: a verdict is about one address, write one of them")
        }
        let host = text.prefix { $0 != "/" }
        let looksV4 = host.utf8.allSatisfy { (48...57).contains($0) || $0 == UInt8(ascii: ".") } && host.contains(".")
        if looksV4 {
            throw QueryError("'\(text)' is not an IPv4 address: it has four numbers from 0 to 255")
        }
        if text.contains(":") {
            let isWithPort = (try? IPAddress(text.prefix { $0 != ":" })) != nil || text.hasPrefix("[")
            throw QueryError(
                isWithPort
                    ? "'\(text)': write the address alone, and the port as the third argument"
                    : "'\(text)' is not an IPv6 address")
        }
    }

    private static func isName(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && !text.utf8.contains { $0 <= 32 || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":") }
    }
}
