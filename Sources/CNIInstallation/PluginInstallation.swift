// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Glibc

/// The chained CNI plugin on this node: its program in the directory of CNI plugins, and its entry in the runtime's
/// configuration.
public struct PluginInstallation: Sendable {
    private let binaries: NodeFolder
    private let configurations: NodeFolder

    /// The configuration before it became a list. Runtimes ignore files with this suffix.
    static let originalSuffix = ".bulkhead-original"
    /// Limit of bytes of a configuration; the program has its own.
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
        /// The configuration that has the plugin; nil if there is none yet.
        public var configuration: String?
        /// What was changed, in words.
        public var changes: [String] = []
        /// Configurations that the runtime skips, and why.
        public var skipped: [String] = []
        /// Why the runtime's configuration cannot have the plugin.
        public var problem: String?
    }

    /// Copies the program if it is missing or differs, and adds its entry to the first configuration that the runtime
    /// can use. The program comes first: an entry without a program would stop all pods.
    ///
    /// - Parameters:
    ///   - program: path of the program to copy.
    ///   - settings: the content of the entry.
    /// - Throws: ``InstallationError``; no file is then half written.
    public func install(program: String, settings: PluginSettings) throws(InstallationError) -> Outcome {
        var outcome = Outcome()
        try copy(program, &outcome)
        let names = try configurations.names()
        // If a file that became a list was written again, the list is outdated.
        for name in names where Self.isSinglePlugin(name) && names.contains(Self.listName(of: name)) {
            _ = try install(in: name, settings, &outcome)
        }
        for name in try configurations.names() where Self.isList(name) || Self.isSinglePlugin(name) {
            if try install(in: name, settings, &outcome) { break }
        }
        return outcome
    }

    /// - Returns: whether this is the configuration that the runtime uses.
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
        outcome.changes.append("added \(PluginSettings.type) to \(configurations.path(of: target))")
        if target != name { try configurations.rename(name, to: name + Self.originalSuffix) }
        return true
    }

    private func copy(_ program: String, _ outcome: inout Outcome) throws(InstallationError) {
        let slash = program.lastIndex(of: "/")
        let source = NodeFolder(path: slash.map { String(program[..<$0]) } ?? ".")
        let name = slash.map { String(program[program.index(after: $0)...]) } ?? program
        guard let bytes = try source.read(name, limit: Self.programLimit) else {
            throw InstallationError(program, "does not exist")
        }
        guard try binaries.read(PluginSettings.type, limit: Self.programLimit) != bytes else { return }
        try binaries.write(PluginSettings.type, bytes, mode: 0o755)
        outcome.changes.append("copied \(binaries.path(of: PluginSettings.type))")
    }

    private static func isList(_ name: String) -> Bool { name.hasSuffix(".conflist") }
    private static func isSinglePlugin(_ name: String) -> Bool { name.hasSuffix(".conf") || name.hasSuffix(".json") }

    private static let listSuffix = ".bulkhead.conflist"
    /// Sorts exactly where the single plugin did.
    private static func listName(of name: String) -> String {
        String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)]) + listSuffix
    }

    // MARK: Taking it out

    /// Removes the entry from every configuration, restores single plugins, and removes the program: last, because an
    /// entry without a program would stop all pods.
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

    /// Restores the single plugin from which a list was made, unless others have added plugins to the list.
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

    /// What exists of the plugin, in words; nothing after ``remove()``.
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
