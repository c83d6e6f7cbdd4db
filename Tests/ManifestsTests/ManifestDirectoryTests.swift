// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import Manifests
import Synchronization
import Testing
import WatchedFiles
import WorldKit

/// A folder of its own for one test, watched, with what was heard of it.
final class WatchedFolder: Sendable {
    let path: String
    private let directory: ManifestDirectory
    private let heard = Mutex<(keys: [ObjectKey: KubernetesObject], last: ManifestDirectory.Update, count: Int)?>(nil)
    private let removed = Mutex(0)

    init(_ files: [String: String] = [:]) throws {
        path = NSTemporaryDirectory() + "bulkhead-manifests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, text) in files { try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8) }
        directory = try ManifestDirectory(path: path)
        take(directory.initial)
        let updates = directory.updates
        Task.detached { [weak self] in
            for await update in updates { self?.take(update) }
        }
    }

    deinit {
        directory.stop()
        try? FileManager.default.removeItem(atPath: path)
    }

    private func take(_ update: ManifestDirectory.Update) {
        heard.withLock { heard in
            var keys = heard?.keys ?? [:]
            for event in update.events {
                switch event {
                case .set(let object): keys[object.key] = object
                case .removed(let key):
                    keys[key] = nil
                    removed.withLock { $0 += 1 }
                }
            }
            heard = (keys, update, (heard?.count ?? 0) + 1)
        }
    }

    var keys: [String] { heard.withLock { $0?.keys.keys.sorted().map(\.description) ?? [] } }
    func address(ofPod name: String) -> String? {
        heard.withLock { heard in
            guard case .pod(let pod)? = heard?.keys[key(.pod, name)] else { return nil }
            return pod.podIPs.first?.description
        }
    }
    var problems: [String] { heard.withLock { $0?.last.problems.map(\.description) ?? [] } }
    /// Of the last update.
    var news: [String] { heard.withLock { $0?.last.events.map(\.summary) ?? [] } }
    /// How many objects left, in all updates.
    var removedCount: Int { removed.withLock { $0 } }
    var updateCount: Int { heard.withLock { $0?.count ?? 0 } }

    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    func rename(_ old: String, _ new: String) throws {
        guard Foundation.rename("\(path)/\(old)", "\(path)/\(new)") == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }

    /// How long it takes until `condition` holds; fails after a minute.
    @discardableResult
    func wait(
        _ location: SourceLocation = #_sourceLocation, until condition: (WatchedFolder) -> Bool
    ) async throws -> Duration {
        let start = ContinuousClock.now
        while !condition(self) {
            let waited = ContinuousClock.now - start
            try #require(waited < .seconds(60), "\(keys) \(problems)", sourceLocation: location)
            try await Task.sleep(for: .milliseconds(1))
        }
        return ContinuousClock.now - start
    }
}

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct ManifestDirectoryTests {
    @Test func whatIsThereAtFirst() throws {
        let folder = try WatchedFolder([
            "b.yaml": pod("b"), "a.yml": pod("a"),
            "c.json": #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#,
            ".hidden.yaml": pod("h"), "#x.yaml": pod("x"), "d.yaml~": pod("d"), "e.txt": pod("e"), "w.yaml": "kind: [",
        ])
        #expect(folder.keys == ["Node n", "Pod shop/a", "Pod shop/b"])
        #expect(folder.problems.count == 1)
    }

    /// How soon is measured by the live tests, which have the machine for themselves.
    @Test func changesAreSeen() async throws {
        let folder = try WatchedFolder()
        for _ in 0..<5 {
            try folder.write("a.yaml", pod("a"))
            try await folder.wait { $0.keys == ["Pod shop/a"] }
            try folder.remove("a.yaml")
            try await folder.wait { $0.keys.isEmpty }
        }
    }

    @Test func rewriteInPlaceAndAtomicRename() async throws {
        let folder = try WatchedFolder(["a.yaml": pod("a")])
        try folder.write("a.yaml", pod("a") + "---\n" + pod("b"))
        try await folder.wait { $0.keys == ["Pod shop/a", "Pod shop/b"] }
        try folder.write(".a.yaml.tmp", pod("c"))
        try folder.rename(".a.yaml.tmp", "a.yaml")
        try await folder.wait { $0.keys == ["Pod shop/c"] }
        try folder.rename("a.yaml", "b.yaml")
        try folder.write("c.yaml", pod("d"))
        try await folder.wait { $0.keys == ["Pod shop/c", "Pod shop/d"] }
        try folder.rename("b.yaml", "b.off")
        try await folder.wait { $0.keys == ["Pod shop/d"] }
    }

    /// The directory waits for a slow writer: the half-written file is never read.
    @Test func halfWritten() async throws {
        let folder = try WatchedFolder(["a.yaml": pod("a")])
        let before = folder.updateCount
        let handle = try #require(fopen("\(folder.path)/a.yaml", "w"))
        fputs("kind: [", handle)
        fflush(handle)
        let fresh = try #require(fopen("\(folder.path)/b.yaml", "w"))
        fputs("kind: ", fresh)
        fflush(fresh)
        // What is written later and at once is read first.
        try folder.write("c.yaml", pod("c"))
        try await folder.wait { $0.updateCount > before }
        #expect(folder.keys == ["Pod shop/a", "Pod shop/c"] && folder.problems.isEmpty)
        fclose(handle)
        try await folder.wait { $0.problems.count == 1 }
        #expect(folder.keys == ["Pod shop/a", "Pod shop/c"])
        fclose(fresh)
    }

    /// An editor that moves the old file away and writes a new one leaves no gap.
    @Test func movedAwayAndWrittenAnew() async throws {
        let folder = try WatchedFolder(["a.yaml": pod("a")])
        var quickRounds = 0
        for round in 0..<20 {
            let before = folder.removedCount
            let start = ContinuousClock.now
            try folder.rename("a.yaml", "a.yaml~")
            try await Task.sleep(for: .milliseconds(8))
            try folder.write("a.yaml", pod("a", "10.0.0.\(round + 2)"))
            // A machine that is busy may keep the writer waiting for too long.
            let isQuick = ContinuousClock.now - start < .milliseconds(20)
            try await folder.wait { $0.address(ofPod: "a") == "10.0.0.\(round + 2)" }
            if isQuick { #expect(folder.removedCount == before) }
            quickRounds += isQuick ? 1 : 0
        }
        #expect(quickRounds > 0)
    }

    /// The same object under a new file name is not news, not even for a moment.
    @Test func renamedFile() async throws {
        let folder = try WatchedFolder(["a.yaml": pod("a")])
        let before = folder.updateCount
        try folder.rename("a.yaml", "b.yaml")
        // What the name leads to would be news by the time that a later file is.
        try folder.write("c.yaml", pod("c"))
        try await folder.wait { $0.keys == ["Pod shop/a", "Pod shop/c"] }
        #expect(folder.updateCount == before + 1 && folder.news == ["+ Pod shop/c"] && folder.problems.isEmpty)
    }

    @Test func wrongThenRight() async throws {
        let folder = try WatchedFolder(["a.yaml": policy("p")])
        try folder.write("a.yaml", policy("p", types: "[X]"))
        try await folder.wait { !$0.problems.isEmpty }
        #expect(folder.keys == ["NetworkPolicy shop/p"])
        #expect(folder.problems[0].hasPrefix("\(folder.path)/a.yaml:6:17: document 1: spec.policyTypes[0]: "))
        try folder.write("a.yaml", policy("p", types: "[Egress]"))
        try await folder.wait { $0.problems.isEmpty }
        #expect(folder.keys == ["NetworkPolicy shop/p"])
    }

    @Test func manyAtOnce() async throws {
        let folder = try WatchedFolder()
        let before = folder.updateCount
        for index in 0..<500 { try folder.write("f\(index).yaml", pod("p\(index)")) }
        try await folder.wait { $0.keys.count == 500 }
        #expect(folder.updateCount - before < 450, "\(folder.updateCount - before) updates for 500 files")
        for index in 0..<500 { try folder.remove("f\(index).yaml") }
        try await folder.wait { $0.keys.isEmpty }
    }

    /// A volume of a ConfigMap: links through `..data`, which is replaced as a whole.
    @Test func configMapVolume() async throws {
        let folder = try WatchedFolder()
        let files = FileManager.default
        func version(_ name: String, _ texts: [String: String]) throws {
            try files.createDirectory(atPath: "\(folder.path)/..\(name)", withIntermediateDirectories: false)
            for (file, text) in texts { try folder.write("..\(name)/\(file)", text) }
            try files.createSymbolicLink(atPath: "\(folder.path)/..data_tmp", withDestinationPath: "..\(name)")
            try folder.rename("..data_tmp", "..data")
        }
        try version("1", ["a.yaml": pod("a"), "b.yaml": pod("b")])
        for name in ["a.yaml", "b.yaml"] {
            try files.createSymbolicLink(atPath: "\(folder.path)/\(name)", withDestinationPath: "..data/\(name)")
        }
        try await folder.wait { $0.keys == ["Pod shop/a", "Pod shop/b"] }
        let before = folder.updateCount
        try version("2", ["a.yaml": pod("a", "10.0.0.7"), "b.yaml": pod("c")])
        try await folder.wait { $0.keys == ["Pod shop/a", "Pod shop/c"] }
        // Both files change in one step.
        #expect(folder.updateCount == before + 1)
    }

    @Test func linkToAFolderThatIsReplaced() async throws {
        let first = try WatchedFolder(["a.yaml": pod("a")])
        let second = try WatchedFolder(["b.yaml": pod("b")])
        let base = try WatchedFolder()
        let link = "\(base.path)/current"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: first.path)
        let directory = try ManifestDirectory(path: link)
        #expect(directory.initial.events.map(\.summary) == ["+ Pod shop/a"])
        try FileManager.default.createSymbolicLink(atPath: link + ".new", withDestinationPath: second.path)
        try base.rename("current.new", "current")
        var updates = directory.updates.makeAsyncIterator()
        #expect(await updates.next()?.events.map(\.summary) == ["- Pod shop/a", "+ Pod shop/b"])
        directory.stop()
        #expect(await updates.next() == nil)
    }

    @Test func folderGoneAndBack() async throws {
        let folder = try WatchedFolder(["a.yaml": pod("a")])
        #expect(Foundation.rename(folder.path, folder.path + ".away") == 0)
        try await folder.wait { $0.problems.count == 1 }
        #expect(folder.problems[0].contains("the directory is gone"))
        #expect(folder.keys == ["Pod shop/a"])
        try FileManager.default.createDirectory(atPath: folder.path + ".next", withIntermediateDirectories: false)
        try pod("b").write(toFile: folder.path + ".next/b.yaml", atomically: false, encoding: .utf8)
        #expect(Foundation.rename(folder.path + ".next", folder.path) == 0)
        try await folder.wait { $0.problems.isEmpty && $0.keys == ["Pod shop/b"] }
        try folder.write("c.yaml", pod("c"))
        try await folder.wait { $0.keys == ["Pod shop/b", "Pod shop/c"] }
        try FileManager.default.removeItem(atPath: folder.path + ".away")
    }

    @Test func whatIsNoFileIsPassedOver() async throws {
        let folder = try WatchedFolder()
        try FileManager.default.createDirectory(atPath: "\(folder.path)/d.yaml", withIntermediateDirectories: false)
        #expect(mkfifo("\(folder.path)/p.yaml", 0o600) == 0)
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/l.yaml", withDestinationPath: "nowhere")
        try folder.write("a.yaml", pod("a"))
        try await folder.wait { $0.keys == ["Pod shop/a"] }
        #expect(folder.problems.isEmpty)
    }

    @Test func linksAreReadAtOnce() async throws {
        let folder = try WatchedFolder(["a.off": pod("a"), "b.off": pod("b")])
        #expect(link("\(folder.path)/a.off", "\(folder.path)/a.yaml") == 0)
        #expect(symlink("b.off", "\(folder.path)/b.yaml") == 0)
        let took = try await folder.wait { $0.keys == ["Pod shop/a", "Pod shop/b"] }
        #expect(took < .seconds(1))
    }

    @Test func noFolder() {
        let error = #expect(throws: FileAccessError.self) { try ManifestDirectory(path: "/nowhere/at/all") }
        #expect(error?.errorNumber == ENOENT)
        #expect(throws: FileAccessError.self) { try ManifestDirectory(path: "/dev/null") }
    }

    @Test func stopEndsTheUpdates() async throws {
        let folder = try WatchedFolder()
        let directory = try ManifestDirectory(path: folder.path)
        directory.stop()
        directory.stop()
        for await _ in directory.updates {}
    }

    /// Whatever happens to the files, in the end what was heard is what lies there.
    @Test func randomChanges() async throws {
        let folder = try WatchedFolder()
        var random = SplitMix64(seed: 9)
        for _ in 0..<300 {
            let name = "f\(random.next() % 6).yaml"
            let other = "f\(random.next() % 6).yaml"
            switch random.next() % 5 {
            case 0: try? folder.remove(name)
            case 1: try? folder.rename(name, other)
            case 2: try folder.write(name, pod("p\(random.next() % 9)") + "---\n" + pod("p\(random.next() % 9)"))
            case 3:
                try folder.write(".tmp", pod("p\(random.next() % 9)", "10.0.0.\(random.next() % 200)"))
                try folder.rename(".tmp", name)
            default: try await Task.sleep(for: .milliseconds(Int(random.next() % 12)))
            }
        }
        let expected = ManifestCheck.run(paths: [folder.path])
        try await folder.wait { $0.keys == expected.objects.map(\.key.description) }
        // That nothing is there at all is a problem for who names a folder to be checked, not for who watches it.
        let problems = expected.problems.map(\.description).filter { !$0.contains(": there is no ") }
        try await folder.wait { $0.problems == problems }
    }

    @Test func check() throws {
        let folder = try WatchedFolder([
            "a.yaml": pod("a") + "---\n" + policy("p"), "b.yaml": policy("q", types: "[X]"), "c.txt": pod("c"),
            "d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n",
        ])
        let check = ManifestCheck.run(paths: [folder.path + "/", "\(folder.path)/c.txt", "\(folder.path)/none"])
        #expect(check.objects.map(\.key.description) == ["NetworkPolicy shop/p", "Pod shop/a", "Pod shop/c"])
        #expect(check.counts == [.pod: 2, .networkPolicy: 1])
        #expect(check.fileCount == 5 && check.documentCount == 5)
        #expect(check.problems.map { $0.error.file.split(separator: "/").last } == ["b.yaml", "none"])
        #expect(check.notices.map(\.kind) == ["Deployment"])
    }
}
