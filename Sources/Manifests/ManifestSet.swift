// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import YAMLDocuments

/// What was found under a file's name.
public enum ManifestFile: Sendable, Hashable {
    case content([UInt8])
    /// The file exists and cannot be read: its previous content stays in force. `mayPass`: for lack of something that
    /// may be available in a moment.
    case unreadable(reason: String, mayPass: Bool = false)
    case removed
}

/// All manifests of one source as a value: file contents go in, changes of objects come out.
///
/// - A document counts as a whole or not at all.
/// - If a document becomes invalid, the previous version of its objects stays in force. As long as it is unknown which
///   objects it contains, everything that disappeared from its file stays in force too.
/// - If several documents define an object, the first one counts, by file name, then by position in the file; the
///   others are problems.
/// - With `keepsLastOnEmpty`, a file that becomes empty (only white space) and a source whose last files all
///   disappear at once keep their content in force, as problems: a full disk, a crash and a volume that is not mounted
///   look the same. A file with only comments is empty on purpose.
public struct ManifestSet: Sendable {
    private struct Document: Sendable {
        var source: ManifestDocument
        /// The present version of the document, or, if that is refused, its previous version.
        var inForce: [DecodedDocument.Item]
        var isRefused: Bool { !source.decoded.errors.isEmpty }
    }

    private struct File: Sendable {
        var documents: [Document] = []
        /// Why the documents are those of an earlier read: the file could not be read, is empty, or is gone.
        var stale: Staleness?

        var holdsObjects: Bool { documents.contains { !$0.inForce.isEmpty } }

        var isVanished: Bool {
            guard case .vanished? = stale else { return false }
            return true
        }
    }

    private enum Staleness: Sendable {
        case unreadable(ManifestError)
        case emptied(ManifestError)
        case vanished(ManifestError)

        var error: ManifestError {
            switch self {
            case .unreadable(let error), .emptied(let error), .vanished(let error): error
            }
        }
    }

    /// A definition of an object; the first in order counts.
    private struct Claim: Sendable, Comparable {
        var file: String
        var document: Int
        var item: Int
        static func < (a: Self, b: Self) -> Bool {
            (a.file, a.document, a.item) < (b.file, b.document, b.item)
        }
    }

    /// Limit of objects in force that each problem of a document names, except for its first one.
    private static let repeatedKeys = 100

    private let reader: ManifestReader
    private let keepsLastOnEmpty: Bool
    private var files: [String: File] = [:]
    private var claims: [ObjectKey: [Claim]] = [:]
    private var contested: Set<ObjectKey> = []
    private var inForce: [ObjectKey: KubernetesObject] = [:]
    /// Documents of files that are being applied, where they have already been read.
    private var prepared: [String: [ManifestDocument]] = [:]

    /// - Parameters:
    ///   - kinds: the allowed kinds; nil: all known kinds.
    ///   - keepsLastOnEmpty: whether the content of an emptied file or source stays in force.
    ///   - isExtracting: whether to collect ``extracts``.
    public init(
        limits: ManifestLimits = ManifestLimits(), kinds: Set<ObjectKind>? = nil, keepsLastOnEmpty: Bool = false,
        isExtracting: Bool = false
    ) {
        reader = ManifestReader(limits: limits, kinds: kinds, isExtracting: isExtracting)
        self.keepsLastOnEmpty = keepsLastOnEmpty
    }

    /// As ``apply(_:)`` for a set without files, which reads large files side by side.
    mutating func applyFirst(_ found: [String: ManifestFile]) {
        prepared = ConcurrentReading.documents(of: found, reader)
        _ = apply(found)
        prepared = [:]
    }

    /// Applies what was found, by file name, and returns the changes, by key: each object once, and only if it differs.
    public mutating func apply(_ found: [String: ManifestFile]) -> [ObjectEvent] {
        var found = found
        let keepsVanished = keepsLastOnEmpty && leavesNothing(found)
        if !keepsVanished {
            // Kept only while the source was empty; those that are back are reported anyway.
            for (name, file) in files where found[name] == nil && file.isVanished { found[name] = .removed }
        }
        var touched: Set<ObjectKey> = []
        for (name, file) in found {
            let old = files[name]
            files[name] = successor(of: old, name: name, file, keepsVanished: keepsVanished)
            dropClaims(of: name, old, touched: &touched)
            addClaims(of: name, files[name], touched: &touched)
        }
        return touched.sorted().compactMap { settle($0) }
    }

    /// Whether no file is left after what was found is applied.
    private func leavesNothing(_ found: [String: ManifestFile]) -> Bool {
        found.values.allSatisfy { $0 == .removed } && files.allSatisfy { found[$0.key] != nil || $0.value.isVanished }
    }

    private func successor(of old: File?, name: String, _ found: ManifestFile, keepsVanished: Bool) -> File? {
        var kept = old ?? File()
        switch found {
        case .removed:
            guard keepsVanished, kept.holdsObjects else { return nil }
            kept.stale = .vanished(Self.vanished(name))
        case .unreadable(let reason, _):
            kept.stale = .unreadable(ManifestError(file: name, document: 0, reason: reason))
        case .content(let bytes):
            guard keepsLastOnEmpty, kept.holdsObjects, DocumentSplitter.isEmptied(bytes) else {
                return replacement(for: old, name: name, bytes: bytes)
            }
            kept.stale = .emptied(Self.emptied(name))
        }
        return kept
    }

    private static func vanished(_ name: String) -> ManifestError {
        ManifestError(
            file: name, document: 0, reason: "the directory has become empty",
            hint: "add a manifest; to remove everything, add a file with only a comment, "
                + "or start with --no-keep-last-on-empty")
    }

    private static func emptied(_ name: String) -> ManifestError {
        ManifestError(
            file: name, document: 0, reason: "the file has become empty",
            hint: "write it again; to remove its objects, delete the file or leave a comment in it, "
                + "or start with --no-keep-last-on-empty")
    }

    private func replacement(for old: File?, name: String, bytes: [UInt8]) -> File {
        let sources =
            prepared[name] ?? reader.read(bytes, file: name, reusing: old?.documents.map(\.source) ?? [])
        var documents = sources.map { Document(source: $0, inForce: $0.decoded.items) }
        guard let old, documents.contains(where: \.isRefused) else { return File(documents: documents) }
        let oldItems = Dictionary(
            old.documents.flatMap(\.inForce).map { ($0.object.key, $0) }, uniquingKeysWith: { first, _ in first })
        var taken = Set(documents.flatMap { $0.inForce.map(\.object.key) })
        for index in documents.indices where documents[index].isRefused {
            for key in documents[index].source.decoded.keys where taken.insert(key).inserted {
                if let item = oldItems[key] { documents[index].inForce.append(item) }
            }
        }
        // A refused document that was not there before under its name may be any of the missing ones.
        let suspect = documents.indices.first { index in
            let document = documents[index]
            guard document.isRefused else { return false }
            return document.source.decoded.hasUnknownObjects
                || document.source.decoded.keys.contains { oldItems[$0] == nil }
        }
        if let suspect {
            let vanished = oldItems.filter { !taken.contains($0.key) }.sorted { $0.key < $1.key }
            documents[suspect].inForce += vanished.map(\.value)
        }
        return File(documents: documents)
    }

    private mutating func dropClaims(of name: String, _ file: File?, touched: inout Set<ObjectKey>) {
        for item in file?.documents.lazy.flatMap(\.inForce) ?? [] {
            let key = item.object.key
            touched.insert(key)
            claims[key]?.removeAll { $0.file == name }
        }
    }

    private mutating func addClaims(of name: String, _ file: File?, touched: inout Set<ObjectKey>) {
        guard let file else { return }
        for (documentIndex, document) in file.documents.enumerated() {
            for (itemIndex, item) in document.inForce.enumerated() {
                touched.insert(item.object.key)
                claims[item.object.key, default: []].append(
                    Claim(file: name, document: documentIndex, item: itemIndex))
            }
        }
    }

    /// Updates one object to its first definition.
    private mutating func settle(_ key: ObjectKey) -> ObjectEvent? {
        var sorted = claims[key] ?? []
        if sorted.isEmpty { claims[key] = nil }
        if sorted.count > 1 {
            sorted.sort()
            claims[key] = sorted
            contested.insert(key)
        } else if !contested.isEmpty {
            contested.remove(key)
        }
        guard let first = sorted.first else {
            return inForce.removeValue(forKey: key) == nil ? nil : .removed(key)
        }
        guard let object = item(first)?.object, inForce[key] != object else { return nil }
        inForce[key] = object
        return .set(object)
    }

    private func item(_ claim: Claim) -> DecodedDocument.Item? {
        files[claim.file]?.documents[claim.document].inForce[claim.item]
    }

    // MARK: What holds now

    public var fileNames: [String] { files.keys.sorted() }

    /// Whether the last attempt to read the file failed.
    public func isUnreadable(_ name: String) -> Bool {
        guard case .unreadable? = files[name]?.stale else { return false }
        return true
    }

    public var documentCount: Int { files.values.reduce(0) { $0 + $1.documents.count } }

    public var objectCount: Int { inForce.count }

    /// In force, by key.
    public var objects: [KubernetesObject] { inForce.sorted { $0.key < $1.key }.map(\.value) }

    /// Ordered by file name, then by position.
    public var problems: [ManifestProblem] {
        var problems: [ManifestProblem] = []
        for (_, file) in files.sorted(by: { $0.key < $1.key }) {
            if let error = file.stale?.error {
                let keys = file.documents.flatMap { $0.inForce.map(\.object.key) }
                problems.append(ManifestProblem(error: error, stillInForce: keys))
            }
            for document in file.documents {
                let keys = document.isRefused ? document.inForce.map(\.object.key) : []
                // If there are many objects, each document names them once: problems times objects would have no limit.
                problems += document.source.decoded.errors.enumerated().map { index, error in
                    let isTold = index == 0 || keys.count <= Self.repeatedKeys
                    return ManifestProblem(error: error, stillInForce: isTold ? keys : [])
                }
            }
        }
        return problems + contested.sorted().flatMap(duplicates)
    }

    private func duplicates(of key: ObjectKey) -> [ManifestProblem] {
        guard let all = claims[key], let first = all.first, let winner = item(first) else { return [] }
        return all.dropFirst().compactMap { claim in
            guard let item = item(claim), let file = files[claim.file] else { return nil }
            return ManifestProblem(
                error: ManifestError(
                    file: claim.file, document: file.documents[claim.document].source.index, line: item.line,
                    column: item.column,
                    reason: "\(key) is already defined at \(first.file):\(winner.line); this one has no effect"))
        }
    }

    /// All Services, by file name.
    public var services: [Service] {
        files.sorted { $0.key < $1.key }.flatMap { $0.value.documents.flatMap(\.source.decoded.services) }
    }

    /// What an analysis needs of all documents, by file name.
    public var extracts: [DocumentExtract] {
        files.sorted { $0.key < $1.key }.flatMap { $0.value.documents.compactMap(\.source.decoded.extract) }
    }

    /// Documents that have no effect here, by file name.
    public var notices: [ManifestNotice] {
        files.sorted { $0.key < $1.key }.flatMap { $0.value.documents.flatMap(\.source.decoded.notices) }
    }
}
