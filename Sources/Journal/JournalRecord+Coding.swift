// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// A record as bytes: three lines, of which the last two are the documents before and after. So a list of records reads
/// only the first line of each.
extension JournalRecord {
    /// Appends the record, without a frame.
    public func append(to output: inout [UInt8]) {
        var fields: [(String, DocumentNode)] = [
            ("n", Self.number(sequence)), ("p", Self.number(previous)), ("w", .integer(time.wall)),
            ("u", .integer(time.uptime)),
        ]
        var documents: (before: [UInt8], after: [UInt8]) = ([], [])
        switch content {
        case .change(let change):
            fields += change.fields
            documents = (change.before, change.after)
        case .effect(let effect): fields += effect.fields
        case .event(let event): fields += event.fields
        }
        DocumentNode.object(fields).appendJSON(to: &output)
        output.append(Self.lineEnd)
        output += documents.before
        output.append(Self.lineEnd)
        output += documents.after
    }

    /// Far beyond what is ever reached, so that sums do not overflow.
    public static let numberLimit: UInt64 = 1 << 60
    private static let timeLimit: Int64 = 1 << 53

    private static let lineEnd = UInt8(ascii: "\n")

    fileprivate static func number(_ value: UInt64) -> DocumentNode { .integer(Int64(clamping: value)) }

    /// Reads what ``append(to:)`` wrote; nil for anything else. Fields that are not known are passed over.
    public init?(_ bytes: ArraySlice<UInt8>) {
        let lines = bytes.split(separator: Self.lineEnd, maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count == 3,
            let node = try? JSONReader.read(Array(lines[0]), limits: .init(depth: 4, values: 10_000)),
            let sequence = node.unsigned("n"), let previous = node.unsigned("p"), let wall = node.integer("w"),
            let uptime = node.integer("u"), previous < sequence, sequence < Self.numberLimit,
            (0..<Self.timeLimit).contains(wall), (0..<Self.timeLimit).contains(uptime),
            let content = JournalContent(node, before: Array(lines[1]), after: Array(lines[2]))
        else { return nil }
        self.init(
            sequence: sequence, previous: previous, time: JournalTime(wall: wall, uptime: uptime), content: content)
    }
}

extension JournalContent {
    fileprivate init?(_ node: DocumentNode, before: [UInt8], after: [UInt8]) {
        if let change = JournalChange(node, before: before, after: after) {
            self = .change(change)
        } else if let effect = JournalEffect(node) {
            self = .effect(effect)
        } else if let event = JournalEvent(node) {
            self = .event(event)
        } else {
            return nil
        }
    }
}

extension JournalChange {
    fileprivate var fields: [(String, DocumentNode)] {
        var fields: [(String, DocumentNode)] = [
            ("change", .string(kind.rawValue)), ("kind", .string(key.kind.rawValue)),
            ("namespace", .string(key.namespace)), ("name", .string(key.name)), ("source", .string(source)),
            ("step", JournalRecord.number(step)),
        ]
        if whileStopped { fields.append(("stopped", .bool(true))) }
        if isElsewhere { fields.append(("elsewhere", .bool(true))) }
        if isElided { fields.append(("elided", .bool(true))) }
        if let version {
            fields.append(("resourceVersion", .string(version.resourceVersion)))
            if version.generation != 0 { fields.append(("generation", .integer(version.generation))) }
        }
        return fields
    }

    fileprivate init?(_ node: DocumentNode, before: [UInt8], after: [UInt8]) {
        guard let kind = node["change"]?.string.flatMap(Kind.init), let step = node.unsigned("step"),
            let object = node["kind"]?.string.flatMap(ObjectKind.init), let namespace = node["namespace"]?.string,
            let name = node["name"]?.string, let source = node["source"]?.string
        else { return nil }
        self.init(
            key: ObjectKey(kind: object, namespace: namespace, name: name), before: before, after: after,
            source: source, step: step, whileStopped: node.flag("stopped"), isElsewhere: node.flag("elsewhere"),
            isElided: node.flag("elided"),
            version: node["resourceVersion"]?.string.map { version in
                ObjectVersion(resourceVersion: version, generation: node.integer("generation") ?? 0)
            })
        guard isElided || self.kind == kind && !(before.isEmpty && after.isEmpty) else { return nil }
        self.kind = kind
    }
}

extension JournalEffect {
    fileprivate var fields: [(String, DocumentNode)] {
        [
            ("effect", JournalRecord.number(step)), ("pods", .array(pods.map { .string($0) })),
            ("podCount", .integer(Int64(podCount))), ("verdicts", .array(verdicts.map { .string($0) })),
            ("verdictCount", .integer(Int64(verdictCount))),
        ] + (isElsewhere ? [("elsewhere", .bool(true))] : [])
    }

    fileprivate init?(_ node: DocumentNode) {
        guard let step = node.unsigned("effect"), let pods = node.strings("pods"),
            let verdicts = node.strings("verdicts"), let podCount = node.integer("podCount"),
            let verdictCount = node.integer("verdictCount")
        else { return nil }
        self.init(
            step: step, pods: pods, podCount: Int(podCount), verdicts: verdicts, verdictCount: Int(verdictCount),
            isElsewhere: node.flag("elsewhere"))
    }
}

extension JournalEvent {
    fileprivate var fields: [(String, DocumentNode)] {
        var fields: [(String, DocumentNode)] = [("event", .string(kind.rawValue))]
        for (name, text) in [("subject", subject), ("text", text), ("boot", boot)] where !text.isEmpty {
            fields.append((name, .string(text)))
        }
        if isBase { fields.append(("base", .bool(true))) }
        if isElsewhere { fields.append(("elsewhere", .bool(true))) }
        if resolvedBefore != 0 { fields.append(("resolvedBefore", .integer(Int64(resolvedBefore)))) }
        if resolvedAfter != 0 { fields.append(("resolvedAfter", .integer(Int64(resolvedAfter)))) }
        if let found { fields.append(("found", .string(found.rawValue))) }
        return fields
    }

    fileprivate init?(_ node: DocumentNode) {
        guard let kind = node["event"]?.string.flatMap(Kind.init) else { return nil }
        self.init(
            kind, subject: node["subject"]?.string ?? "", node["text"]?.string ?? "",
            boot: node["boot"]?.string ?? "", isBase: node.flag("base"), isElsewhere: node.flag("elsewhere"),
            resolvedBefore: Int(node.integer("resolvedBefore") ?? 0),
            resolvedAfter: Int(node.integer("resolvedAfter") ?? 0), found: node["found"]?.string.flatMap(Found.init))
    }
}

extension DocumentNode {
    fileprivate func integer(_ name: String) -> Int64? {
        if case .integer(let value)? = self[name]?.value { value } else { nil }
    }

    fileprivate func unsigned(_ name: String) -> UInt64? { integer(name).flatMap { UInt64(exactly: $0) } }

    fileprivate func flag(_ name: String) -> Bool { self[name]?.value == .bool(true) }

    fileprivate func strings(_ name: String) -> [String]? {
        guard case .sequence(let items)? = self[name]?.value else { return nil }
        let texts = items.compactMap(\.string)
        return texts.count == items.count ? texts : nil
    }
}

/// Objects as the journal keeps them.
extension KubernetesObject {
    /// Its document as JSON in one line.
    public var journalDocument: [UInt8] {
        var bytes: [UInt8] = []
        document.appendJSON(to: &bytes)
        return bytes
    }

    /// Reads ``journalDocument``; nil for anything else.
    public init?(journalDocument bytes: [UInt8]) {
        guard let node = try? JSONReader.read(bytes),
            let object = ObjectDecoder.decode(node, file: "journal", mode: .lenient).objects.first
        else { return nil }
        self = object
    }
}
