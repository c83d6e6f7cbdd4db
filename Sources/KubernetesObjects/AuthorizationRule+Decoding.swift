// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

extension AuthorizationRule {
    /// In lenient mode always a rule: what is not understood of it is in its `unknown`.
    static func decode(
        _ node: DocumentNode, _ action: AuthorizationPolicy.Action, in context: inout DecodingContext
    ) -> AuthorizationRule? {
        var rule = AuthorizationRule()
        let hint = node.isNull ? "write '- {}' for a rule that matches everything, or remove the '-'" : nil
        let (isRule, unknown) = context.sentences { context in
            guard context.mapping(node, hint: hint) != nil else { return false }
            rule.decodeFields(node, action, in: &context)
            return true
        }
        rule.unknown = unknown + rule.unknown
        return isRule || context.mode == .lenient ? rule : nil
    }

    private mutating func decodeFields(
        _ node: DocumentNode, _ action: AuthorizationPolicy.Action, in context: inout DecodingContext
    ) {
        context.refuseUnknownFields(
            of: node, known: ["from", "to", "when"], explain: MisplacedAuthorizationField.inRule)
        sources = context.alternatives("from", of: node) { AuthorizationSource.decode($1, action, in: &$0) }
        operations = context.alternatives("to", of: node) { AuthorizationOperation.decode($1, in: &$0) }
        conditions =
            context.field("when", of: node) { context, list in
                context.wholeItems(list) { decodeCondition($1, action, in: &$0) }
            } ?? []
    }

    private mutating func decodeCondition(
        _ node: DocumentNode, _ action: AuthorizationPolicy.Action, in context: inout DecodingContext
    ) -> AuthorizationCondition? {
        guard context.mapping(node) != nil else { return nil }
        context.refuseUnknownFields(of: node, known: ["key", "values", "notValues"])
        let before = context.failureCount
        let attribute = context.required("key", of: node) { $0.attribute($1) }
        guard let attribute else { return nil }
        let values = context.values("values", of: node) { $0.value($1, of: attribute) }
        let notValues = context.values("notValues", of: node) { $0.value($1, of: attribute) }
        if values.isEmpty, notValues.isEmpty, context.failureCount == before {
            context.fail(node, "a condition needs values or notValues")
        }
        if let why = attribute.unreadable {
            let name = node["key"]?.string?.boundedForMessage ?? ""
            unknown.append(
                context.disregard(node, "\(name) cannot be known here (\(why)): \(action.effect(on: "the rule"))"))
        }
        return AuthorizationCondition(key: attribute.key, values: values, notValues: notValues)
    }
}

extension AuthorizationPolicy.Action {
    /// What becomes of a part that holds a field that cannot be known.
    fileprivate func effect(on part: String) -> String {
        self == .allow ? "\(part) matches nothing" : "\(part) matches whatever its other fields match"
    }
}

extension AuthorizationSource {
    private static let fields = [
        "principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals", "namespaces", "notNamespaces",
        "serviceAccounts", "notServiceAccounts", "ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks",
    ]

    /// `node`: an item of `from`.
    fileprivate static func decode(
        _ node: DocumentNode, _ action: AuthorizationPolicy.Action, in context: inout DecodingContext
    ) -> AuthorizationSource? {
        var source = AuthorizationSource()
        let (isSource, unknown) = context.sentences { context in
            guard context.mapping(node) != nil else { return false }
            context.refuseUnknownFields(of: node, known: ["source"]) { entry in
                fields.contains(entry.key) ? ("unknown field", "\(entry.key) belongs inside source: indent it") : nil
            }
            return context.required("source", of: node) { context, fields -> Void? in
                guard context.mapping(fields) != nil else { return nil }
                source.decodeFields(fields, action, in: &context)
                return ()
            } != nil
        }
        source.unknown = unknown + source.unknown
        return isSource || context.mode == .lenient ? source : nil
    }

    private mutating func decodeFields(
        _ node: DocumentNode, _ action: AuthorizationPolicy.Action, in context: inout DecodingContext
    ) {
        let before = context.failureCount
        context.refuseUnknownFields(of: node, known: Self.fields, explain: MisplacedAuthorizationField.inSource)
        principals = context.values("principals", of: node) { $0.principal($1) }
        notPrincipals = context.values("notPrincipals", of: node) { $0.principal($1) }
        namespaces = context.values("namespaces", of: node) { $0.namespacePattern($1) }
        notNamespaces = context.values("notNamespaces", of: node) { $0.namespacePattern($1) }
        serviceAccounts = context.values("serviceAccounts", of: node) { $0.serviceAccount($1) }
        notServiceAccounts = context.values("notServiceAccounts", of: node) { $0.serviceAccount($1) }
        ipBlocks = context.values("ipBlocks", of: node) { $0.addressBlock($1) }
        notIpBlocks = context.values("notIpBlocks", of: node) { $0.addressBlock($1) }
        requestPrincipals = context.values("requestPrincipals", of: node) { $0.filledString($1) }
        notRequestPrincipals = context.values("notRequestPrincipals", of: node) { $0.filledString($1) }
        remoteIpBlocks = context.values("remoteIpBlocks", of: node) { $0.addressBlockText($1) }
        notRemoteIpBlocks = context.values("notRemoteIpBlocks", of: node) { $0.addressBlockText($1) }
        checkCombination(node, in: &context)
        let isEmpty = Self.fields.allSatisfy { node[$0]?.isEmpty ?? true }
        if isEmpty, context.failureCount == before {
            context.fail(node, "must not be empty", hint: "leave out the whole 'from' for every source")
        }
        let unreadable = [
            ("requestPrincipals", Unreadable.token), ("notRequestPrincipals", .token),
            ("remoteIpBlocks", .clientHeader),
            ("notRemoteIpBlocks", .clientHeader),
        ]
        for (field, why) in unreadable {
            guard let value = node[field], !value.isEmpty else { continue }
            let effect = action.effect(on: "the source")
            unknown.append(
                context.at(field) { $0.disregard(value, "cannot be known here (\(why.rawValue)): \(effect)") })
        }
    }

    private func checkCombination(_ node: DocumentNode, in context: inout DecodingContext) {
        for field in ["serviceAccounts", "notServiceAccounts"] {
            guard let list = node[field], !list.isEmpty else { continue }
            if case .sequence(let items) = list.value, items.count > 16 {
                context.at(field) { $0.failIfStrict(list, "has \(items.count) items, more than 16") }
            }
            let others = ["principals", "notPrincipals", "namespaces", "notNamespaces"].filter {
                !(node[$0]?.isEmpty ?? true)
            }
            guard let other = others.first else { continue }
            context.at(field) {
                $0.failIfStrict(
                    list, "may not be given beside \(other)", hint: "an account of a namespace is 'namespace/account'")
            }
        }
    }
}

extension AuthorizationOperation {
    private static let fields = [
        "ports", "notPorts", "hosts", "notHosts", "methods", "notMethods", "paths", "notPaths",
    ]

    /// `node`: an item of `to`.
    fileprivate static func decode(
        _ node: DocumentNode, in context: inout DecodingContext
    ) -> AuthorizationOperation? {
        var operation = AuthorizationOperation()
        let (isOperation, unknown) = context.sentences { context in
            guard context.mapping(node) != nil else { return false }
            context.refuseUnknownFields(of: node, known: ["operation"]) { entry in
                fields.contains(entry.key)
                    ? ("unknown field", "\(entry.key) belongs inside operation: indent it") : nil
            }
            return context.required("operation", of: node) { context, fields -> Void? in
                guard context.mapping(fields) != nil else { return nil }
                operation.decodeFields(fields, in: &context)
                return ()
            } != nil
        }
        operation.unknown = unknown
        return isOperation || context.mode == .lenient ? operation : nil
    }

    private mutating func decodeFields(_ node: DocumentNode, in context: inout DecodingContext) {
        let before = context.failureCount
        context.refuseUnknownFields(of: node, known: Self.fields, explain: MisplacedAuthorizationField.inOperation)
        ports = context.values("ports", of: node) { $0.portText($1) }
        notPorts = context.values("notPorts", of: node) { $0.portText($1) }
        hosts = context.values("hosts", of: node) { $0.filledString($1) }
        notHosts = context.values("notHosts", of: node) { $0.filledString($1) }
        methods = context.values("methods", of: node) { $0.filledString($1) }
        notMethods = context.values("notMethods", of: node) { $0.filledString($1) }
        paths = context.values("paths", of: node) { $0.pathPattern($1) }
        notPaths = context.values("notPaths", of: node) { $0.pathPattern($1) }
        let isEmpty = Self.fields.allSatisfy { node[$0]?.isEmpty ?? true }
        if isEmpty, context.failureCount == before {
            context.fail(node, "must not be empty", hint: "leave out the whole 'to' for every operation")
        }
    }
}

extension DecodingContext {
    /// The items of `from` or `to`. Nil if missing; and, with an error, if there is none.
    fileprivate mutating func alternatives<T>(
        _ name: String, of node: DocumentNode, _ read: (inout DecodingContext, DocumentNode) -> T?
    ) -> [T]? {
        field(name, of: node) { context, list in
            if case .sequence(let items) = list.value, items.isEmpty {
                let what = name == "from" ? "source" : "operation"
                context.fail(list, "must not be empty", hint: "leave '\(name)' out for every \(what)")
            }
            let items = context.list(list, read)
            return items.isEmpty ? nil : items
        }
    }

    /// The values of a field. Nothing if one of them has an error: the others alone may match less than was meant.
    fileprivate mutating func values<T>(
        _ name: String, of node: DocumentNode, _ read: (inout DecodingContext, DocumentNode) -> T?
    ) -> [T] {
        field(name, of: node) { context, list in
            let before = context.failureCount
            let values = context.list(list, read)
            return context.failureCount == before ? values : []
        } ?? []
    }
}
