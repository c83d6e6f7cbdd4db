// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Documents
import Glibc
import Logging

/// Writes one line per entry to standard error, as text for people or JSON for programs. Small, because the formatters
/// of full Foundation cost tens of megabytes.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level = .info
    let format: BulkheadD.LogFormat

    init(format: BulkheadD.LogFormat) { self.format = format }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        let line =
            switch format {
            case .text: text(event.level, "\(event.message)", all)
            case .json: json(event.level, "\(event.message)", all)
            }
        // One write per line, so that lines of several threads do not mix.
        let bytes = Array(line.utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func text(
        _ level: Logger.Level, _ message: String, _ metadata: [(key: String, value: Logger.Metadata.Value)]
    ) -> String {
        let fields = metadata.map { key, value in
            let value = "\(value)"
            return value.contains(" ") ? " \(key)=\(JSONString.quoted(value))" : " \(key)=\(Self.visible(value))"
        }
        return "\(RFC3339.now()) \(level.rawValue.uppercased()) \(Self.visible(message))\(fields.joined())\n"
    }

    private func json(
        _ level: Logger.Level, _ message: String, _ metadata: [(key: String, value: Logger.Metadata.Value)]
    ) -> String {
        var fields = [("time", RFC3339.now()), ("level", level.rawValue), ("message", message)]
        let reserved = Set(fields.map(\.0))
        fields += metadata.map { (reserved.contains($0.key) ? "field_\($0.key)" : $0.key, "\($0.value)") }
        return "{" + fields.map { "\(JSONString.quoted($0)):\(JSONString.quoted($1))" }.joined(separator: ",") + "}\n"
    }

    /// Control characters must not make a message look like a separate line.
    static func visible(_ text: String) -> String {
        text.unicodeScalars.contains { $0.value < 32 || (127..<160).contains($0.value) }
            ? String(JSONString.quoted(text).dropFirst().dropLast()) : text
    }
}
