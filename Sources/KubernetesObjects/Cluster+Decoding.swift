// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

// Pod, Namespace and Node have hundreds of fields: only those that policy needs are read, and all others are skipped.
// In lenient mode a part that is not understood is left out, because an object without it is still protected.

extension Pod {
    static func decode(_ document: DocumentNode, in context: inout DecodingContext) -> Pod {
        var pod = Pod(metadata: .decode(document, kind: .pod, in: &context))
        _ = context.sentences { pod.decodeFields(document, in: &$0) }
        return pod
    }

    /// What a pod, or the template of one, has beside its names.
    mutating func decodeFields(_ document: DocumentNode, in context: inout DecodingContext) {
        staticUID =
            context.field("metadata", of: document) { context, metadata in
                context.field("annotations", of: metadata) { context, annotations -> String? in
                    guard context.mapping(annotations) != nil else { return nil }
                    return context.field("\(Self.mirrorAnnotation)", of: annotations) { $0.string($1) }
                }
            } ?? ""
        _ = context.field("spec", of: document) { context, spec -> Void? in
            guard context.mapping(spec) != nil else { return nil }
            nodeName = context.field("nodeName", of: spec) { $0.string($1) } ?? ""
            // The second one is the deprecated name, from which the API server fills in the first.
            var account = context.field("serviceAccountName", of: spec) { $0.string($1) } ?? ""
            if account.isEmpty { account = context.field("serviceAccount", of: spec) { $0.string($1) } ?? "" }
            if !account.isEmpty { serviceAccountName = account }
            hostNetwork = context.field("hostNetwork", of: spec) { $0.bool($1) } ?? false
            let ports =
                Self.namedPorts(of: spec, "containers", in: &context)
                + Self.namedPorts(of: spec, "initContainers", in: &context)
            namedPorts = Set(ports).sorted()
            return ()
        }
        var written: PodPhase?
        _ = context.field("status", of: document) { context, status -> Void? in
            guard context.mapping(status) != nil else { return nil }
            written = context.field("phase", of: status) { $0.podPhase($1) }
            podIPs = Self.addresses(of: status, list: "podIPs", single: "podIP", in: &context)
            hostIPs = Self.addresses(of: status, list: "hostIPs", single: "hostIP", in: &context)
            return ()
        }
        // A manifest written by hand often has addresses and no phase.
        phase = written ?? (podIPs.isEmpty ? .pending : .running)
    }

    /// `list` in written order, then `single` if it is not in the list.
    private static func addresses(
        of status: DocumentNode, list: String, single: String, in context: inout DecodingContext
    ) -> [IPAddress] {
        let listed =
            context.field(list, of: status) { context, node in
                context.list(node) { context, item -> IPAddress? in
                    guard context.mapping(item) != nil else { return nil }
                    return context.required("ip", of: item) { $0.address($1) }
                }
            } ?? []
        // The API server writes an empty text as long as there is no address.
        let alone = status[single]?.string == "" ? nil : context.field(single, of: status) { $0.address($1) }
        var result: [IPAddress] = []
        for address in listed + (alone.map { [$0] } ?? []) where !result.contains(address) { result.append(address) }
        return result
    }

    private static func namedPorts(
        of spec: DocumentNode, _ field: String, in context: inout DecodingContext
    ) -> [NamedPort] {
        let perContainer =
            context.field(field, of: spec) { context, node in
                context.list(node) { context, container -> [NamedPort]? in
                    guard context.mapping(container) != nil else { return nil }
                    let restart = context.field("restartPolicy", of: container) { $0.string($1) }
                    guard field == "containers" || restart == "Always" else { return nil }
                    return context.field("ports", of: container) { $0.wholeItems($1) { NamedPort.decode($1, in: &$0) } }
                }
            } ?? []
        return perContainer.flatMap { $0 }
    }
}

extension NamedPort {
    /// Nil for a port without name, which policy cannot refer to.
    fileprivate static func decode(_ node: DocumentNode, in context: inout DecodingContext) -> NamedPort? {
        guard context.mapping(node) != nil else { return nil }
        let name = context.field("name", of: node) { context, node -> String? in
            guard let name = context.string(node), !name.isEmpty else { return nil }
            if let problem = NameRules.portName(name) { context.failIfStrict(node, problem) }
            return name
        }
        guard let name else { return nil }
        let ipProtocol = context.field("protocol", of: node) { $0.ipProtocol($1) } ?? .tcp
        guard let number = context.required("containerPort", of: node, { $0.portNumber($1) }) else { return nil }
        return NamedPort(name: name, ipProtocol: ipProtocol, number: number)
    }
}

extension DecodingContext {
    fileprivate mutating func podPhase(_ node: DocumentNode) -> PodPhase? {
        guard let text = string(node), !text.isEmpty else { return nil }
        guard let phase = PodPhase(rawValue: text) else {
            fail(
                node, "phase '\(text.boundedForMessage)' is unknown: use Pending, Running, Succeeded, Failed or Unknown"
            )
            return nil
        }
        return phase
    }
}

extension Namespace {
    static func decode(_ document: DocumentNode, in context: inout DecodingContext) -> Namespace {
        var namespace = Namespace(metadata: .decode(document, kind: .namespace, in: &context))
        namespace.metadata.labels[nameLabel] = namespace.metadata.name
        return namespace
    }
}

extension Node {
    static func decode(_ document: DocumentNode, in context: inout DecodingContext) -> Node {
        var node = Node(metadata: .decode(document, kind: .node, in: &context))
        let (addresses, _) = context.sentences { context in
            context.field("status", of: document) { context, status -> [IPAddress]? in
                guard context.mapping(status) != nil else { return nil }
                return context.field("addresses", of: status) { $0.list($1) { Self.address($1, in: &$0) } }
            }
        }
        for address in addresses ?? [] where !node.addresses.contains(address) { node.addresses.append(address) }
        return node
    }

    /// Nil for host names.
    private static func address(_ item: DocumentNode, in context: inout DecodingContext) -> IPAddress? {
        guard context.mapping(item) != nil else { return nil }
        let type = context.required("type", of: item) { $0.string($1) }
        guard type == "InternalIP" || type == "ExternalIP" else { return nil }
        return context.required("address", of: item) { $0.address($1) }
    }
}
