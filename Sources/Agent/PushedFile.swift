// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FoundationEssentials
import KubernetesObjects
import PolicySources

/// The file in which pushes outlive the daemon.
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

    var file: KeptFile { KeptFile(path: path, content: "what was pushed") }

    /// What was kept; nothing where there is no file.
    ///
    /// - Throws: ``KeptFileError`` where the file cannot be used.
    public func read() throws(KeptFileError) -> KeptPushes {
        guard let bytes = try file.read() else { return KeptPushes() }
        return try file.attempt {
            let content = try JSONDecoder().decode(Content.self, from: Data(bytes))
            guard content.version == Self.version else { throw file.failure("is of version \(content.version)") }
            var list = Array(#"{"apiVersion":"v1","kind":"List","items":"#.utf8)
            list += try ControlJSON.encode(content.objects) + Array("}".utf8)
            return KeptPushes(objects: try ObjectBatch.decode(list, name: path).objects, resolved: content.resolved)
        }
    }

    /// Replaces the file as a whole.
    func write(_ pushes: KeptPushes) throws(KeptFileError) {
        let content = Content(
            version: Self.version, objects: pushes.objects.map { $0.json }, resolved: pushes.resolved)
        try file.attempt { try file.replace(with: try ControlJSON.encode(content)) }
    }
}

extension PushedFile {
    /// The file that belongs to a control socket.
    public static func path(beside socket: String) -> String { socket + ".pushed.json" }
}
