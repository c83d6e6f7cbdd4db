// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The repository's own text.
struct Repository {
    struct File {
        /// From the repository's root.
        let path: String
        let lines: [String]
        var name: String { String(path.split(separator: "/").last!) }
        var fileExtension: String { name.contains(".") ? String(name.split(separator: ".").last!) : "" }
        var isScript: Bool { lines.first?.hasPrefix("#!") ?? false }
    }

    let root: URL
    let files: [File]

    /// Directories with Bulkhead's own text; build products and other files are ignored.
    private static let folders = [
        "Sources", "Tests", "Plugins", "Benchmarks", "bpf", "scripts", "deploy", "docs", "examples", ".ci", ".github",
    ]
    private static let fileExtensions: Set = ["swift", "c", "h", "md", "sh", "yaml", "yml", "json", "modulemap"]

    init() throws {
        // This file is three levels below the root; a package that links these folders resolves to the same root.
        root = URL(filePath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        var paths = try FileManager.default.contentsOfDirectory(atPath: root.path)
        for folder in Self.folders {
            let inside = FileManager.default.enumerator(atPath: root.appending(path: folder).path)
            for case let path as String in inside ?? .init() { paths.append("\(folder)/\(path)") }
        }
        files = paths.sorted().compactMap { [root] path in
            let file = root.appending(path: path)
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: file.path, isDirectory: &isDirectory), !isDirectory.boolValue,
                !path.contains(".build"), let text = try? String(contentsOf: file, encoding: .utf8)
            else { return nil }
            let read = File(path: path, lines: text.components(separatedBy: "\n"))
            return fileExtensionsHold(read) ? read : nil
        }
        func fileExtensionsHold(_ file: File) -> Bool {
            Self.fileExtensions.contains(file.fileExtension) || file.isScript
        }
    }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root.appending(path: path).path) }

    /// Source text, not prose or data.
    var code: [File] { files.filter { ["swift", "c", "h"].contains($0.fileExtension) || $0.isScript } }
    var swift: [File] { files.filter { $0.fileExtension == "swift" } }
}
