// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A directory that is removed with the last reference to it.
final class TemporaryFiles: Sendable {
    let path: String

    init(_ files: [String: String] = [:]) throws {
        path = FileManager.default.temporaryDirectory.appending(path: "bulkhead-test-\(UUID().uuidString)").path()
        // There may be secrets among them.
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for (name, text) in files { try write(text, name) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, _ name: String, executable: Bool = false) throws {
        let file = "\(path)/\(name)"
        guard executable else { return try text.write(toFile: file, atomically: true, encoding: .utf8) }
        try text.write(toFile: "\(file).text", atomically: true, encoding: .utf8)
        // Written by another process: programs that tests start at the same time would inherit this process's
        // descriptor for writing, and until they execute, this program could not be run ("Text file busy").
        let install = Process()
        install.executableURL = URL(filePath: "/usr/bin/install")
        install.arguments = ["-m", "755", "\(file).text", file]
        try install.run()
        install.waitUntilExit()
        guard install.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }
}
