// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// Answers of an API server as JSON.
enum JSONAnswer {
    /// What errors call the place.
    private static let source = "API server"

    static func page(_ body: [UInt8], of resource: APIResource) throws(UnreadableAnswer) -> ReceivedPage {
        let node = try read(body)
        guard let metadata = node["metadata"], let version = metadata["resourceVersion"]?.string, !version.isEmpty
        else { throw UnreadableAnswer(reason: "the list has no metadata.resourceVersion") }
        var page = ReceivedPage(
            resourceVersion: version, continueToken: metadata["continue"]?.string ?? "", objects: [], nameless: 0)
        guard let items = node["items"], !items.isNull else { return page }
        guard case .sequence(let list) = items.value else {
            throw UnreadableAnswer(reason: "items must be a list, is \(items.kindInWords)")
        }
        page.objects.reserveCapacity(list.count)
        for item in list {
            if let object = object(item, of: resource) {
                page.objects.append(object)
            } else {
                page.nameless += 1
            }
        }
        return page
    }

    static func event(_ line: [UInt8], of resource: APIResource) throws(UnreadableAnswer) -> ReceivedEvent {
        let node = try read(line)
        guard let type = node["type"]?.string, let content = node["object"] else {
            throw UnreadableAnswer(reason: "an event without type or object")
        }
        switch type {
        case "ADDED", "MODIFIED", "DELETED":
            guard let object = object(content, of: resource) else {
                throw UnreadableAnswer(reason: "an event about an object without name")
            }
            return type == "DELETED" ? .removed(object) : .set(object)
        case "BOOKMARK":
            guard let version = content["metadata"]?["resourceVersion"]?.string, !version.isEmpty else {
                throw UnreadableAnswer(reason: "a bookmark without metadata.resourceVersion")
            }
            return .bookmark(resourceVersion: version)
        case "ERROR":
            return .failure(status(content) ?? ReceivedStatus(code: 500, reason: "", message: "", retryAfter: nil))
        default: throw UnreadableAnswer(reason: "an event of unknown type '\(String(type.prefix(40)))'")
        }
    }

    /// Nil if this is not a Status.
    static func status(_ body: [UInt8]) -> ReceivedStatus? { (try? read(body)).flatMap { status($0) } }

    private static func status(_ node: DocumentNode) -> ReceivedStatus? {
        guard node["kind"]?.string == "Status" else { return nil }
        return ReceivedStatus(
            code: node["code"]?.integer ?? 500, reason: node["reason"]?.string ?? "",
            message: String((node["message"]?.string ?? "").prefix(500)),
            retryAfter: node["details"]?["retryAfterSeconds"]?.integer)
    }

    private static func read(_ bytes: [UInt8]) throws(UnreadableAnswer) -> DocumentNode {
        do {
            return try JSONReader.read(bytes, limits: JSONReader.Limits(size: .max, values: .max))
        } catch {
            throw UnreadableAnswer(reason: "\(error)")
        }
    }

    /// Nil: it has no name.
    private static func object(_ node: DocumentNode, of resource: APIResource) -> ReceivedObject? {
        guard case .mapping(let entries) = node.value, let metadata = node["metadata"],
            let name = metadata["name"]?.string, !name.isEmpty
        else { return nil }
        // Items of a list don't say their type.
        let type = [("apiVersion", resource.apiVersion), ("kind", resource.kind.rawValue)].map { key, value in
            DocumentNode.Entry(
                key: key, line: node.line, column: node.column,
                value: DocumentNode(.string(value), line: node.line, column: node.column))
        }
        let typed = DocumentNode(
            .mapping(type + entries.filter { $0.key != "apiVersion" && $0.key != "kind" }), line: node.line,
            column: node.column)
        let decoded = ObjectDecoder.decode(typed, file: source, mode: .lenient)
        let key = ObjectKey(kind: resource.kind, namespace: metadata["namespace"]?.string ?? "", name: name)
        let object = decoded.objects.first { $0.key == key }
        return ReceivedObject(
            key: key, version: metadata["resourceVersion"]?.string ?? "",
            generation: Int64(metadata["generation"]?.integer ?? 0), object: object,
            refusal: object == nil ? decoded.errors.first.map { "\($0.path): \($0.reason)" } ?? "is not valid" : nil)
    }
}

extension DocumentNode {
    fileprivate var integer: Int? {
        if case .integer(let number) = value { Int(number) } else { nil }
    }
}
