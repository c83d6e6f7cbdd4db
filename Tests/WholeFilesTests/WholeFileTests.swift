// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing
import WholeFiles

/// Files replaced as a whole, and left as they are by every failure.
@Suite struct WholeFileTests {
    /// A directory of a test's own.
    private final class Folder: Sendable {
        let path: String

        init() throws {
            var name = Array("/tmp/bulkhead-whole-XXXXXX".utf8CString)
            path = String(cString: try #require(mkdtemp(&name)))
        }

        deinit {
            for name in names { remove("\(path)/\(name)") }
            rmdir(path)
        }

        var names: [String] {
            guard let stream = opendir(path) else { return [] }
            defer { closedir(stream) }
            var names: [String] = []
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if !name.hasPrefix(".") || name.count > 2 { names.append(name) }
            }
            return names.sorted()
        }

        func text(_ name: String) -> String? {
            guard let file = fopen("\(path)/\(name)", "r") else { return nil }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
        }

        func mode(_ name: String) -> mode_t {
            var facts = stat()
            return lstat("\(path)/\(name)", &facts) == 0 ? facts.st_mode : 0
        }
    }

    private func replace(
        _ folder: Folder, with text: String, mode: mode_t? = nil, temporary: String? = nil,
        write: WholeFile.Write = { Glibc.write($0, $1, $2) }
    ) throws {
        try WholeFile.replace(
            "\(folder.path)/file", with: Array(text.utf8), mode: mode, temporary: temporary, write: write)
    }

    @Test(arguments: [mode_t(0o600), 0o640, 0o644, 0o666]) func newAndReplaced(mode: mode_t) throws {
        let folder = try Folder()
        for text in ["one", "", String(repeating: "two", count: 100_000)] {
            try replace(folder, with: text, mode: mode)
            #expect(folder.text("file") == text && folder.mode("file") & 0o777 == mode)
            #expect(folder.names == ["file"])
        }
    }

    /// Without a mode it is that of any new file, such as one that a shell makes.
    @Test func theUsualMode() throws {
        let folder = try Folder()
        let shell = open("\(folder.path)/shell", O_WRONLY | O_CREAT, 0o666)
        try #require(shell >= 0)
        close(shell)
        try replace(folder, with: "text")
        #expect(folder.mode("file") & 0o777 == folder.mode("shell") & 0o777)
    }

    /// Root gives a file away; who cannot, writes it all the same.
    @Test func theOwner() throws {
        let folder = try Folder()
        try WholeFile.replace("\(folder.path)/file", with: Array("text".utf8), mode: nil, owner: (65534, 65533))
        var facts = stat()
        try #require(lstat("\(folder.path)/file", &facts) == 0)
        let isRoot = geteuid() == 0
        #expect(facts.st_uid == (isRoot ? 65534 : geteuid()) && facts.st_gid == (isRoot ? 65533 : getegid()))
        #expect(folder.text("file") == "text")
    }

    /// Neither a link with the file's name nor one with the other name is written through.
    @Test func linksAreReplaced() throws {
        let folder = try Folder()
        for name in ["file", "file.new", "other"] { symlink("\(folder.path)/target", "\(folder.path)/\(name)") }
        try replace(folder, with: "text")
        #expect(folder.names == ["file", "other"] && folder.mode("file") & S_IFMT == S_IFREG)
        try replace(folder, with: "more", temporary: "\(folder.path)/other")
        #expect(folder.names == ["file"] && folder.text("file") == "more")
    }

    /// A disk that takes one byte at a time, and calls that a signal interrupts.
    @Test func writesInSteps() throws {
        let folder = try Folder()
        var calls = 0
        try replace(folder, with: "text") { descriptor, bytes, count in
            calls += 1
            guard calls % 2 == 0 else {
                errno = EINTR
                return -1
            }
            return Glibc.write(descriptor, bytes, 1)
        }
        #expect(folder.text("file") == "text" && calls == 8)
    }

    /// A full disk, one that fails, and one that takes nothing.
    @Test(arguments: [(ENOSPC, ENOSPC), (EDQUOT, EDQUOT), (EIO, EIO), (Int32(0), EIO)])
    func disksThatFail(number: Int32, reported: Int32) throws {
        let folder = try Folder()
        try replace(folder, with: "before", mode: 0o640)
        let error = #expect(throws: WholeFile.Failure.self) {
            try replace(folder, with: "after", mode: 0o600) { descriptor, bytes, count in
                if count == 5 { return Glibc.write(descriptor, bytes, 2) }
                errno = number
                return number == 0 ? 0 : -1
            }
        }
        #expect(error == WholeFile.Failure(path: "\(folder.path)/file.new", errorNumber: reported))
        #expect(folder.names == ["file"] && folder.text("file") == "before" && folder.mode("file") & 0o777 == 0o640)
    }

    @Test func placesThatCannotBeWritten() throws {
        let folder = try Folder()
        mkdir("\(folder.path)/file", 0o700)
        let directory = #expect(throws: WholeFile.Failure.self) { try replace(folder, with: "text") }
        #expect(directory == WholeFile.Failure(path: "\(folder.path)/file", errorNumber: EISDIR))
        #expect(folder.names == ["file"])
        mkdir("\(folder.path)/file.new", 0o700)
        let other = #expect(throws: WholeFile.Failure.self) { try replace(folder, with: "text") }
        #expect(other?.path == "\(folder.path)/file.new" && other?.errorNumber == EISDIR)
        #expect(throws: WholeFile.Failure.self) {
            try WholeFile.replace("\(folder.path)/none/file", with: [], mode: nil)
        }
        // Where no process may make a file, one of root included.
        let system = #expect(throws: WholeFile.Failure.self) {
            try WholeFile.replace("/sys/kernel/bulkhead-whole", with: [], mode: nil)
        }
        #expect([EACCES, EPERM, EROFS].contains(system?.errorNumber), "\(String(describing: system))")
        #expect(system?.description.hasPrefix("/sys/kernel/bulkhead-whole.new: ") == true)
        let full = #expect(throws: WholeFile.Failure.self) {
            try WholeFile.replace("\(folder.path)/more", with: [], mode: nil) { _ in
                errno = EMFILE
                return -1
            }
        }
        #expect(full?.errorNumber == EMFILE && folder.names == ["file", "file.new"])
    }
}
