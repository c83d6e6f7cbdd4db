// SPDX-License-Identifier: Apache-2.0
import CNIInstallation
import ChainedCNI
import Glibc
import Testing

/// Real files: what a runtime would find, before and after.
@Suite struct InstallationTests {
    private let node: NodeDirectory
    init() throws { node = try NodeDirectory() }

    @Test func intoTheFirstListAndOutAgain() throws {
        try node.put("10-kindnet.conflist", NodeDirectory.list)
        try node.put("20-other.conflist", NodeDirectory.list)
        try node.put("05-readme.txt", "no configuration")
        let path = "\(node.configurations)/10-kindnet.conflist"
        chmod(path, 0o600)
        let outcome = try node.install()
        #expect(outcome.configuration == path && outcome.changes.count == 2 && outcome.problem == nil)
        #expect(try node.text("10-kindnet.conflist").contains("\"portmap\"},\n    \(node.settings.json)\n"))
        #expect(node.mode(path) == 0o600)
        #expect(try node.text("20-other.conflist") == NodeDirectory.list)
        #expect(try node.read(node.binaries + "/bulkhead-cni") == "program one")
        #expect(node.mode(node.binaries + "/bulkhead-cni") == 0o755)
        #expect(try node.installation.installed().count == 2)
        #expect(try node.configurationNames.count == 3, "no file is left beside")

        #expect(try node.install().changes.isEmpty)
        try node.write("program two", to: node.program)
        #expect(try node.install().changes.count == 1)
        #expect(try node.read(node.binaries + "/bulkhead-cni") == "program two")

        #expect(try node.installation.remove().count == 2)
        #expect(try node.text("10-kindnet.conflist") == NodeDirectory.list)
        #expect(try node.installation.installed().isEmpty && node.installation.remove().isEmpty)
    }

    @Test(arguments: ["10-my.conf", "10-my.json"]) func aSinglePluginBecomesAListAndIsPutBack(name: String) throws {
        try node.put(name, NodeDirectory.single)
        let outcome = try node.install()
        #expect(outcome.configuration == "\(node.configurations)/10-my.bulkhead.conflist")
        #expect(try node.configurationNames == ["10-my.bulkhead.conflist", "\(name).bulkhead-original"])
        #expect(try node.text("10-my.bulkhead.conflist").contains(NodeDirectory.single))
        #expect(try node.install().changes.isEmpty)
        // The CNI rewrites its file.
        let changed = NodeDirectory.single.replacing("true", with: "false")
        try node.put(name, changed)
        #expect(try node.install().changes.count == 1)
        #expect(try node.configurationNames == ["10-my.bulkhead.conflist", "\(name).bulkhead-original"])
        #expect(try node.text("10-my.bulkhead.conflist").contains(changed))
        #expect(try node.installation.remove().count == 2)
        #expect(try node.configurationNames == [name] && node.text(name) == changed)
    }

    @Test func whatOthersHaveAddedToTheListStays() throws {
        try node.put("10-my.conf", NodeDirectory.single)
        _ = try node.install()
        let list = try node.text("10-my.bulkhead.conflist")
        try node.put(
            "10-my.bulkhead.conflist",
            list.replacing(node.settings.json, with: "\(node.settings.json),{\"type\":\"mesh\"}"))
        #expect(try node.install().changes.isEmpty)
        #expect(try node.installation.remove().count == 2)
        #expect(try node.configurationNames == ["10-my.bulkhead.conflist"])
        #expect(try node.text("10-my.bulkhead.conflist").contains("mesh"))
        #expect(try !node.text("10-my.bulkhead.conflist").contains("bulkhead-cni"))
    }

    @Test func whatNoRuntimeTakesIsPassedOver() throws {
        try node.put("00-half.conflist", "{\"cniVersion\":")
        try node.put("01-none.conf", "{}")
        let nothing = try node.install()
        #expect(nothing.configuration == nil && nothing.skipped.count == 2 && nothing.problem == nil)
        try node.put("10-kindnet.conflist", NodeDirectory.list)
        let outcome = try node.install()
        #expect(outcome.configuration?.hasSuffix("10-kindnet.conflist") == true && outcome.skipped.count == 2)
    }

    @Test func aFolderIsNoConfiguration() throws {
        let folder = "\(node.configurations)/00-folder.conflist"
        try #require(mkdir(folder, 0o755) == 0)
        defer { rmdir(folder) }
        try node.put("10-kindnet.conflist", NodeDirectory.list)
        #expect(try node.install().configuration?.hasSuffix("10-kindnet.conflist") == true)
    }

    /// A file that can be opened and not read, as on a disk that fails.
    @Test func halfOfAProgramIsNotCopied() throws {
        let error = #expect(throws: InstallationError.self) {
            _ = try node.installation.install(program: "/proc/self/mem", settings: node.settings)
        }
        #expect(error?.path == "/proc/self/mem" && error?.reason == String(cString: strerror(EIO)))
        #expect(try node.installation.installed().isEmpty)
    }

    /// Another file would have no effect, and this one would have a bad one.
    @Test func whatTheRuntimeTakesAndThePluginCannotIsAProblem() throws {
        try node.put("00-old.conflist", NodeDirectory.list.replacing("0.3.1", with: "0.2.0"))
        try node.put("10-kindnet.conflist", NodeDirectory.list)
        let outcome = try node.install()
        #expect(outcome.configuration == nil && outcome.problem?.contains("cniVersion is 0.2.0") == true)
        #expect(try node.text("10-kindnet.conflist") == NodeDirectory.list)
    }

    @Test func withoutFoldersOrProgramItIsAnError() throws {
        let nowhere = PluginInstallation(
            binaryDirectory: node.path + "/no", configurationDirectory: node.path + "/nor")
        #expect(throws: InstallationError.self) {
            _ = try nowhere.install(program: node.program, settings: node.settings)
        }
        #expect(throws: InstallationError.self) {
            _ = try node.installation.install(program: node.path + "/no", settings: node.settings)
        }
        #expect(try nowhere.installed().isEmpty && nowhere.remove().isEmpty)
    }
}

@Suite struct KeeperTests {
    private let node: NodeDirectory
    init() throws { node = try NodeDirectory() }

    private func eventually(_ condition: () throws -> Bool) throws -> Bool {
        for _ in 0..<500 {
            if (try? condition()) == true { return true }
            usleep(10_000)
        }
        return try condition()
    }

    @Test func itIsPutBackWhenTheCNIWritesItsFileAnew() throws {
        let keeper = try InstallationKeeper(
            node.installation, program: node.program, settings: node.settings, receiver: { _, _ in })
        defer { keeper.stop() }
        #expect(try eventually { keeper.state.problem?.contains("there is no CNI configuration yet") == true })
        try node.put("10-kindnet.conflist", NodeDirectory.list)
        #expect(try eventually { try node.text("10-kindnet.conflist").contains("bulkhead-cni") })
        #expect(try eventually { keeper.state.problem == nil && keeper.state.configuration != nil })
        try node.put("10-kindnet.conflist", NodeDirectory.list.replacing("kindnet", with: "kindnet2"))
        #expect(try eventually { try node.text("10-kindnet.conflist").contains("bulkhead-cni") })
        #expect(try node.text("10-kindnet.conflist").contains("kindnet2"))
        unlink(node.binaries + "/bulkhead-cni")
        #expect(try eventually { node.mode(node.binaries + "/bulkhead-cni") == 0o755 })
        // Another network becomes the first.
        try node.put("00-first.conflist", NodeDirectory.list)
        #expect(try eventually { keeper.state.configuration?.hasSuffix("00-first.conflist") == true })
        #expect(try node.text("00-first.conflist").contains("bulkhead-cni"))
    }

    /// Two that each put their own back do not keep the node busy.
    @Test func itDoesNotFight() throws {
        try node.put("10-kindnet.conflist", NodeDirectory.list)
        let keeper = try InstallationKeeper(
            node.installation, program: node.program, settings: node.settings, receiver: { _, _ in })
        defer { keeper.stop() }
        for _ in 0..<150 {
            if try node.text("10-kindnet.conflist").contains("bulkhead-cni") {
                try node.put("10-kindnet.conflist", NodeDirectory.list)
            }
            usleep(10_000)
        }
        #expect((2...8).contains(keeper.state.installs), "\(keeper.state.installs) in 1.5 s")
    }
}
