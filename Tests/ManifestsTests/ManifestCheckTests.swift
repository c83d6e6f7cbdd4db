// SPDX-License-Identifier: Apache-2.0
import Foundation
import Manifests
import Testing

/// What `bulkheadctl check` reads.
@Suite struct ManifestCheckTests {
    @Test func aFolderIsReadWithAllBelowIt() throws {
        let folder = try WatchedFolder(["a.yaml": pod("a")])
        let below = folder.path + "/below"
        #expect(mkdir(below, 0o700) == 0 && mkdir(folder.path + "/.hidden", 0o700) == 0)
        #expect(symlink(folder.path, below + "/loop") == 0)
        try Data(pod("b").utf8).write(to: URL(fileURLWithPath: below + "/b.yaml"))
        try Data(pod("c").utf8).write(to: URL(fileURLWithPath: folder.path + "/.hidden/c.yaml"))
        func names(_ check: ManifestCheck) -> [String] { check.objects.map(\.metadata.name) }
        #expect(names(ManifestCheck.run(paths: [folder.path])) == ["a"])
        #expect(names(ManifestCheck.run(paths: [folder.path], isRecursive: true)) == ["a", "b"])
        // A path with nothing there is the caller's mistake.
        let empty = try WatchedFolder([:])
        #expect(mkdir(empty.path + "/below", 0o700) == 0)
        let none = ManifestCheck.run(paths: [empty.path])
        #expect(none.fileCount == 0 && none.problems.count == 1)
        #expect(none.problems.first?.error.reason.contains("directories below it are not read") == true)
        #expect(ManifestCheck.run(paths: [empty.path], isRecursive: true).problems.count == 1)
        let blank = try WatchedFolder(["a.yaml": "# nothing\n"])
        #expect(ManifestCheck.run(paths: [blank.path]).problems.map(\.error.reason) == ["there is no document"])
    }

    /// As `check <(kustomize build)` gives one.
    @Test func aPipeIsReadToItsEnd() throws {
        let folder = try WatchedFolder([:])
        let path = folder.path + "/pipe"
        #expect(mkfifo(path, 0o600) == 0)
        let text = Array((pod("a") + "---\n" + pod("b")).utf8)
        let writer = Thread {
            let descriptor = open(path, O_WRONLY)
            for byte in text { _ = withUnsafePointer(to: byte) { write(descriptor, $0, 1) } }
            close(descriptor)
        }
        writer.start()
        let check = ManifestCheck.run(paths: [path])
        #expect(check.fileCount == 1 && check.documentCount == 2 && check.problems.isEmpty)
    }
}
