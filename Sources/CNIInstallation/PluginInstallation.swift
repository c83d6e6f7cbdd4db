// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Glibc

/// The chained CNI plugin on this node: its program in the folder of CNI plugins, its entry in the configuration that
/// the runtime takes.
public struct PluginInstallation: Sendable {
    private let binaries: NodeFolder
    private let configurations: NodeFolder

    /// What the configuration was before it became a list. Runtimes look at no such file.
    static let originalSuffix = ".bulkhead-original"
    /// Bytes of a configuration, and of the program, that are read.
    private static let configurationLimit = 1 << 20
    private static let programLimit = 256 << 20

    public init(binaryDirectory: String, configurationDirectory: String) {
        binaries = NodeFolder(path: binaryDirectory)
        configurations = NodeFolder(path: configurationDirectory)
    }

    var folders: [String] { [binaries.path, configurations.path] }

    // MARK: Putting it in

    /// What was found and done.
    public struct Outcome: Sendable, Hashable {
        /// The configuration that has the plugin; nil: there is none (yet).
        public var configuration: String?
        /// What was changed, in words.
        public var changes: [String] = []
        /// Configurations that the runtime passes over, and why.
        public var skipped: [String] = []
        /// Why the one that the runtime takes cannot have the plugin.
        public var problem: String?
    }

    /// Copies the program where it is missing or differs, and puts its entry into the first configuration that the
    /// runtime can take. Program first: an entry without one would stop all pods.
    ///
    /// - Parameters:
    ///   - program: path of the program to copy.
    ///   - settings: what the entry is to say.
    /// - Throws: ``InstallationError``; no file is half written then.
    public func install(program: String, settings: PluginSettings) throws(InstallationError) -> Outcome {
        var outcome = Outcome()
        try copy(program, &outcome)
        let names = try configurations.names()
        // What became a list before has been written anew: the list is of the old one.
        for name in names where Self.isSinglePlugin(name) && names.contains(Self.listName(of: name)) {
            _ = try install(in: name, settings, &outcome)
        }
        for name in try configurations.names() where Self.isList(name) || Self.isSinglePlugin(name) {
            if try install(in: name, settings, &outcome) { break }
        }
        return outcome
    }

    /// - Returns: whether this is the configuration that the runtime takes.
    private func install(
        in name: String, _ settings: PluginSettings, _ outcome: inout Outcome
    ) throws(InstallationError) -> Bool {
        guard let text = try configurations.read(name, limit: Self.configurationLimit) else { return false }
        let target = Self.isList(name) ? name : Self.listName(of: name)
        var list: NetworkList
        let isChanged: Bool
        do throws(NetworkListError) {
            list = try Self.isList(name) ? NetworkList(text) : NetworkList(ofPlugin: text)
            isChanged = try list.put(settings)
        } catch {
            let reason = "\(configurations.path(of: name)): \(error)"
            switch error {
            case .invalid: outcome.skipped.append(reason)
            case .unsuitable: outcome.problem = reason
            }
            return outcome.problem != nil
        }
        outcome.configuration = configurations.path(of: target)
        guard isChanged else { return true }
        try configurations.write(target, list.text)
        outcome.changes.append("put \(PluginSettings.type) into \(configurations.path(of: target))")
        if target != name { try configurations.rename(name, to: name + Self.originalSuffix) }
        return true
    }

    private func copy(_ program: String, _ outcome: inout Outcome) throws(InstallationError) {
        let slash = program.lastIndex(of: "/")
        let source = NodeFolder(path: slash.map { String(program[..<$0]) } ?? ".")
        let name = slash.map { String(program[program.index(after: $0)...]) } ?? program
        guard let bytes = try source.read(name, limit: Self.programLimit) else {
            throw InstallationError(program, "is not there")
        }
        guard try binaries.read(PluginSettings.type, limit: Self.programLimit) != bytes else { return }
        try binaries.write(PluginSettings.type, bytes, mode: 0o755)
        outcome.changes.append("copied \(binaries.path(of: PluginSettings.type))")
    }

    private static func isList(_ name: String) -> Bool { name.hasSuffix(".conflist") }
    private static func isSinglePlugin(_ name: String) -> Bool { name.hasSuffix(".conf") || name.hasSuffix(".json") }

    private static let listSuffix = ".bulkhead.conflist"
    /// Sorts right where the one plugin did.
    private static func listName(of name: String) -> String {
        String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)]) + listSuffix
    }

    // MARK: Taking it out

    /// Takes the entry out of every configuration, makes single plugins again of those that were, and removes the
    /// program: last, since an entry without one would stop all pods.
    ///
    /// - Returns: what was changed, in words.
    public func remove() throws(InstallationError) -> [String] {
        var changes: [String] = []
        for name in try configurations.names() where Self.isList(name) {
            guard let text = try configurations.read(name, limit: Self.configurationLimit),
                var list = try? NetworkList(text), (try? list.remove()) == true
            else { continue }
            if try restore(name, list) {
                changes.append("CNI configuration \(configurations.path(of: name))")
                continue
            }
            try configurations.write(name, list.text)
            changes.append("entry in CNI configuration \(configurations.path(of: name))")
        }
        for name in try configurations.names() where name.hasSuffix(Self.originalSuffix) {
            try configurations.remove(name)
        }
        if binaries.exists(PluginSettings.type) {
            try binaries.remove(PluginSettings.type)
            changes.append("CNI plugin \(binaries.path(of: PluginSettings.type))")
        }
        return changes
    }

    /// Puts the single plugin back that a list was made of, unless others have put theirs into the list.
    private func restore(_ name: String, _ list: NetworkList) throws(InstallationError) -> Bool {
        guard name.hasSuffix(Self.listSuffix), list.othersCount == 1 else { return false }
        let stem = String(name.dropLast(Self.listSuffix.count))
        let originals = [".conf", ".json"].map { stem + $0 }
        guard let original = originals.first(where: { configurations.exists($0 + Self.originalSuffix) }) else {
            return false
        }
        if !configurations.exists(original) {
            try configurations.rename(original + Self.originalSuffix, to: original)
        }
        try configurations.remove(name)
        return true
    }

    /// What is there of the plugin, in words; nothing after ``remove()``.
    public func installed() throws(InstallationError) -> [String] {
        var found: [String] = []
        for name in try configurations.names() where Self.isList(name) {
            guard let text = try configurations.read(name, limit: Self.configurationLimit),
                (try? NetworkList(text))?.hasPlugin == true
            else { continue }
            found.append("entry in CNI configuration \(configurations.path(of: name))")
        }
        if binaries.exists(PluginSettings.type) {
            found.append("CNI plugin \(binaries.path(of: PluginSettings.type))")
        }
        return found
    }
}
