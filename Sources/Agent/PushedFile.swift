// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FoundationEssentials
import Glibc
import KubernetesObjects
import PolicySources

/// The file in which pushes outlive the daemon. It lies beside the control socket, on a file system in memory like the
/// pinned tables, so that both go with a reboot.
public struct PushedFile: Sendable {
    public let path: String
    public init(path: String) { self.path = path }

    private struct Content: Codable {
        var version: Int
        var objects: [JSONValue]
        var resolved: ResolvedBody
    }

    /// The layout that is written and read.
    private static let version = 1

    /// What was kept; nothing where there is no file.
    ///
    /// - Throws: ``PushedFileError``: going on without would take policy out of force that somebody relies on.
    public func read() throws(PushedFileError) -> KeptPushes {
        guard access(path, F_OK) == 0 else { return KeptPushes() }
        do {
            let content = try JSONDecoder().decode(Content.self, from: try Data(contentsOf: URL(filePath: path)))
            guard content.version == Self.version else {
                throw PushedFileError(path: path, reason: "is of version \(content.version)")
            }
            var list = Array(#"{"apiVersion":"v1","kind":"List","items":"#.utf8)
            list += try ControlJSON.encode(content.objects) + Array("}".utf8)
            return KeptPushes(objects: try ObjectBatch.decode(list, name: path).objects, resolved: content.resolved)
        } catch let error as PushedFileError {
            throw error
        } catch {
            throw PushedFileError(path: path, reason: "\(error)")
        }
    }

    /// Replaces the file as a whole.
    func write(_ pushes: KeptPushes) throws(PushedFileError) {
        let content = Content(
            version: Self.version, objects: pushes.objects.map { $0.json }, resolved: pushes.resolved)
        do {
            let temporary = path + ".new"
            let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw PushedFileError(path: path, reason: String(cString: strerror(errno))) }
            defer { close(descriptor) }
            var rest = try ControlJSON.encode(content)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw PushedFileError(path: path, reason: String(cString: strerror(errno))) }
                rest = rest.dropFirst(count)
            }
            guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
                throw PushedFileError(path: path, reason: String(cString: strerror(errno)))
            }
        } catch let error as PushedFileError {
            throw error
        } catch {
            throw PushedFileError(path: path, reason: "\(error)")
        }
    }
}

/// Why the kept pushes cannot be read or written.
public struct PushedFileError: Error, CustomStringConvertible {
    public var path: String
    public var reason: String
    public var description: String {
        "the pushed policy kept in \(path): \(reason); remove the file to go on without what was pushed"
    }
}

extension PushedFile {
    /// The file that belongs to a control socket.
    public static func path(beside socket: String) -> String { socket + ".pushed.json" }
}
