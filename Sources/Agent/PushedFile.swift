// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlSocket
import Documents
import FoundationEssentials
import KubernetesObjects
import Manifests

/// The file in which pushes outlive the daemon.
public struct PushedFile: Sendable {
    public let path: String
    public init(path: String) { self.path = path }

    /// The layout that is written and read.
    private static let version: Int64 = 1

    var file: KeptFile { KeptFile(path: path, content: "the pushed objects") }

    /// The saved pushes; none if there is no file.
    ///
    /// - Throws: ``KeptFileError`` if the file cannot be used.
    public func read() throws(KeptFileError) -> KeptPushes {
        guard let bytes = try file.read() else { return KeptPushes() }
        return try file.attempt {
            // The size of the file bounds its values: what was accepted must be readable at the next start.
            let content = try JSONReader.readPlaced(bytes, limits: JSONReader.Limits(values: .max))
            guard let version = content["version"], let objects = content["objects"],
                let resolved = content["resolved"]
            else { throw file.failure("it lacks 'version', 'objects' or 'resolved'") }
            guard version.node.value == .integer(Self.version) else {
                throw file.failure("is of version \(String(decoding: bytes[version.range], as: UTF8.self))")
            }
            let list =
                Array(#"{"apiVersion":"v1","kind":"List","items":"#.utf8) + bytes[objects.range] + Array("}".utf8)
            return KeptPushes(
                objects: try ObjectBatch.decode(list, name: path).objects,
                resolved: try JSONDecoder().decode(ResolvedBody.self, from: Data(bytes[resolved.range])))
        }
    }

    /// Replaces the file as a whole.
    func write(_ pushes: KeptPushes) throws(KeptFileError) {
        try file.attempt {
            var content = Array(#"{"objects":"#.utf8)
            DocumentNode.array(pushes.objects.map(\.document)).appendJSON(to: &content)
            content += Array(#","resolved":"#.utf8) + (try ControlJSON.encode(pushes.resolved))
            content += Array(#","version":\#(Self.version)}"#.utf8)
            try file.replace(with: content)
        }
    }
}

extension PushedFile {
    /// The file that belongs to a control socket.
    public static func path(beside socket: String) -> String { socket + ".pushed.json" }
}
