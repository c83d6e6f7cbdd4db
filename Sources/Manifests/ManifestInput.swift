// SPDX-License-Identifier: Apache-2.0
import Glibc
import WatchedFiles

/// Inputs that a user names and that are read once: files, directories, pipes, standard input.
public struct ManifestInput: Sendable {
    /// The name of standard input (`-`) in errors.
    public static let standardInput = "standard input"

    /// The name in errors.
    public var name: String
    public var file: ManifestFile
    /// Whether it is a directory that cannot be read or has no manifest.
    public var isDirectory = false

    /// Reads `paths` in order: from a directory its manifests (`*.yaml`, `*.yml`, `*.json`), from anything else its
    /// content, whatever its name. Paths that cannot be read, and directories without manifests, are unreadable files.
    ///
    /// - Parameter isRecursive: whether manifests in directories below are also read.
    public static func read(
        _ paths: [String], isRecursive: Bool, limits: ManifestLimits = ManifestLimits()
    ) -> [ManifestInput] {
        paths.flatMap { path -> [ManifestInput] in
            var status = stat()
            guard path != "-", stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                let name = path == "-" ? standardInput : path
                return [ManifestInput(name: name, file: ManifestFolder.readNamed(path, limits: limits))]
            }
            return readDirectory(ManifestFolder(path: path, limits: limits), isRecursive)
        }
    }

    private static func readDirectory(_ folder: ManifestFolder, _ isRecursive: Bool) -> [ManifestInput] {
        let prefix = folder.path.hasSuffix("/") ? folder.path : folder.path + "/"
        do throws(FileAccessError) {
            let names = isRecursive ? try folder.namesBelow() : try folder.names()
            if names.isEmpty {
                let below = !isRecursive && folder.hasFolders() ? "; directories below it are not read" : ""
                let reason = "there is no manifest (*.yaml, *.yml, *.json) in this directory\(below)"
                return [ManifestInput(name: folder.path, file: .unreadable(reason: reason), isDirectory: true)]
            }
            return names.map { ManifestInput(name: prefix + $0, file: folder.read($0)) }
        } catch {
            return [
                ManifestInput(name: folder.path, file: .unreadable(reason: "\(error)"), isDirectory: true)
            ]
        }
    }
}
