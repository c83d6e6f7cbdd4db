// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

// The checks are those of the API server for networking.k8s.io/v1 with strict field validation, and kubectl's refusal
// of null list items: an item `-` without content would otherwise be a rule that allows everything.

extension NetworkPolicy {
    /// Releases 1.24 to 1.27 served `status`, which has no meaning.
    private static let knownFields = ["apiVersion", "kind", "metadata", "spec", "status"]

    /// In lenient mode what is not understood lands in `unknown` and the policy closes: a rule that holds such a part
    /// is left out, so that it matches nothing; where the selector or the spec itself holds one, all rules are.
    static func decode(_ document: DocumentNode, in context: inout DecodingContext) -> NetworkPolicy {
        if context.mode == .strict {
            context.refuseUnknownFields(of: document, known: knownFields, explain: MisplacedField.inDocument)
        }
        ObjectMeta.refuseUnknown(document, in: &context)
        var policy = NetworkPolicy(
            metadata: .decode(document, kind: .networkPolicy, in: &context), policyTypes: [.ingress])
        let (_, unknown) = context.sentences { context in
            policy.enforcement = .decode(document, in: &context)
            _ = context.field("spec", of: document) { context, spec -> Void? in
                guard context.mapping(spec) != nil else {
                    policy.policyTypes = [.ingress, .egress]
                    return nil
                }
                policy.decodeSpec(spec, in: &context)
                return ()
            }
        }
        policy.unknown = unknown
        return policy
    }

    private mutating func decodeSpec(_ spec: DocumentNode, in context: inout DecodingContext) {
        let path = context.path
        let beforeSelector = context.failureCount
        context.refuseUnknownFields(of: spec, known: MisplacedField.specFields) {
            MisplacedField.inSpec($0, of: spec, at: path)
        }
        MisplacedField.lookInside(selectorPartsOf: spec, in: &context)
        podSelector = context.field("podSelector", of: spec) { .decode($1, in: &$0) } ?? LabelSelector()
        let isClear = context.failureCount == beforeSelector
        ingress =
            context.field("ingress", of: spec) { context, node in
                context.wholeItems(node) { NetworkPolicyRule.decode($1, .ingress, in: &$0) }
            } ?? []
        egress =
            context.field("egress", of: spec) { context, node in
                context.wholeItems(node) { NetworkPolicyRule.decode($1, .egress, in: &$0) }
            } ?? []
        let beforeTypes = context.failureCount
        let types = context.field("policyTypes", of: spec) { Self.policyTypes($1, in: &$0) } ?? []
        // By what is written, not by what was understood of it.
        let hasEgress = !(spec["egress"]?.isEmpty ?? true)
        policyTypes = types.isEmpty ? (hasEgress ? [.ingress, .egress] : [.ingress]) : Set(types)
        if context.failureCount > beforeTypes { policyTypes = [.ingress, .egress] }
        if !isClear {
            // A selector that lost a part selects more pods than meant: they may be isolated, not opened.
            ingress = []
            egress = []
        }
    }

    private static func policyTypes(_ node: DocumentNode, in context: inout DecodingContext) -> [PolicyType] {
        if case .sequence(let items) = node.value, items.count > 2 {
            context.failIfStrict(node, "may not have more than two policyTypes")
        }
        return context.list(node) { context, item in
            guard let text = context.string(item) else { return nil }
            if let type = PolicyType(rawValue: text) { return type }
            let nearest = NearestName.find(text, among: ["Ingress", "Egress"])
            context.fail(
                item, "policy type '\(text.boundedForMessage)' is not supported: use Ingress or Egress",
                hint: nearest.map { "did you mean \($0)?" })
            return nil
        }
    }
}

extension NetworkPolicyRule {
    fileprivate static func decode(
        _ node: DocumentNode, _ direction: PolicyType, in context: inout DecodingContext
    ) -> NetworkPolicyRule? {
        let hint = node.isNull ? "write '- {}' for a rule that allows everything, or remove the '-'" : nil
        guard context.mapping(node, hint: hint) != nil else { return nil }
        let peerField = direction == .ingress ? "from" : "to"
        context.refuseUnknownFields(of: node, known: [peerField, "ports"]) {
            MisplacedField.inRule($0, of: node, direction)
        }
        let peers = context.field(peerField, of: node) { context, node in
            context.list(node) { NetworkPolicyPeer.decode($1, in: &$0) }
        }
        let ports = context.field("ports", of: node) { context, node in
            context.list(node) { NetworkPolicyPort.decode($1, in: &$0) }
        }
        return NetworkPolicyRule(peers: peers ?? [], ports: ports ?? [])
    }
}

extension NetworkPolicyPeer {
    fileprivate static func decode(_ node: DocumentNode, in context: inout DecodingContext) -> NetworkPolicyPeer? {
        guard context.mapping(node) != nil else { return nil }
        let path = context.path
        context.refuseUnknownFields(of: node, known: MisplacedField.peerFields) {
            MisplacedField.inPeer($0, of: node, at: path)
        }
        MisplacedField.lookInside(selectorPartsOf: node, in: &context)
        let pods = context.field("podSelector", of: node) { LabelSelector.decode($1, in: &$0) }
        let namespaces = context.field("namespaceSelector", of: node) { LabelSelector.decode($1, in: &$0) }
        let hasSelector = pods != nil || namespaces != nil
        if let block = node["ipBlock"], !block.isNull {
            if hasSelector { context.fail(block, "a peer may not have both ipBlock and a selector") }
            return context.at("ipBlock") { Self.decodeBlock(block, in: &$0) }
        }
        guard hasSelector else {
            let isNull = MisplacedField.peerFields.contains { node[$0]?.isNull == true }
            context.fail(
                node, "a peer needs podSelector, namespaceSelector or ipBlock",
                hint: isNull
                    ? "a selector without content is not a peer: write 'podSelector: {}' for every pod of the namespace"
                    : "leave out the whole list for every peer")
            return nil
        }
        return .pods(namespaces: namespaces, pods: pods)
    }

    private static func decodeBlock(_ node: DocumentNode, in context: inout DecodingContext) -> NetworkPolicyPeer? {
        guard context.mapping(node) != nil else { return nil }
        context.refuseUnknownFields(of: node, known: ["cidr", "except"])
        let cidr = context.required("cidr", of: node) { $0.cidr($1) }
        let except = context.field("except", of: node) { context, node in
            context.list(node) { context, item -> CIDR? in
                guard let part = context.cidr(item) else { return nil }
                if let cidr, !(cidr.contains(part) && part.prefixLength > cidr.prefixLength) {
                    context.fail(item, "\(part) is not inside \(cidr) and smaller than it")
                }
                return part
            }
        }
        return cidr.map { .ipBlock(cidr: $0, except: except ?? []) }
    }
}

extension NetworkPolicyPort {
    fileprivate static func decode(_ node: DocumentNode, in context: inout DecodingContext) -> NetworkPolicyPort? {
        let hint = node.isNull || node.isEmpty ? nil : "write '- port: …'"
        guard context.mapping(node, hint: hint) != nil else { return nil }
        context.refuseUnknownFields(of: node, known: ["protocol", "port", "endPort"])
        let ipProtocol = context.field("protocol", of: node) { $0.ipProtocol($1) } ?? .tcp
        let port = context.field("port", of: node) { Self.port($1, in: &$0) } ?? .any
        let endPort = context.field("endPort", of: node) { context, end -> UInt16? in
            Self.checkEndPort(end, beside: node["port"], in: &context)
        }
        guard let endPort, case .range(let first) = port, endPort >= first.first else {
            return NetworkPolicyPort(ipProtocol: ipProtocol, port: port)
        }
        return NetworkPolicyPort(ipProtocol: ipProtocol, port: .range(PortRange(first.first, endPort)))
    }

    private static func port(_ node: DocumentNode, in context: inout DecodingContext) -> Port? {
        guard case .string(let name) = node.value else {
            return context.portNumber(node).map { .range(PortRange($0)) }
        }
        if let problem = NameRules.portName(name) {
            let isNumber = !name.isEmpty && name.utf8.allSatisfy(\.isASCIIDigit)
            context.failIfStrict(
                node, problem,
                hint: isNumber
                    ? "a number in quotes is a port name: write \(name.boundedForMessage) without quotes" : nil)
        }
        return .named(name)
    }

    private static func checkEndPort(
        _ end: DocumentNode, beside port: DocumentNode?, in context: inout DecodingContext
    ) -> UInt16? {
        guard let port, !port.isNull else {
            context.fail(end, "may not be given without port")
            return nil
        }
        if port.string != nil {
            context.fail(end, "may not be given if port is a name")
            return nil
        }
        guard let last = context.portNumber(end) else { return nil }
        if case .integer(let first) = port.value, first > Int64(last) {
            context.fail(end, "endPort \(last) is below port \(first)")
            return nil
        }
        return last
    }
}

extension DecodingContext {
    mutating func cidr(_ node: DocumentNode) -> CIDR? {
        guard let text = string(node) else { return nil }
        do throws(AddressError) {
            return try CIDR(text)
        } catch .mappedPrefix(let text) {
            fail(node, "'\(text.boundedForMessage)' is IPv4 in IPv6 form", hint: "write the IPv4 prefix")
        } catch .prefixMissing(let text) {
            let length = text.utf8.contains(UInt8(ascii: ":")) ? 128 : 32
            fail(node, "\(AddressError.prefixMissing(text))", hint: "write \(text)/\(length) for only this address")
        } catch {
            fail(node, "\(error)")
        }
        return nil
    }
}
