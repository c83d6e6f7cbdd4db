// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import FoundationEssentials
import Yams

/// The format of an answer.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case wide
    case json
    case yaml

    /// Prints `value`, as the text that `text` returns.
    func print<Value: Encodable>(_ value: Value, text: (Value) -> String) throws {
        switch self {
        case .text, .wide:
            Terminal.settings.withLock { $0.isWide = self == .wide }
            Terminal.write(text(value))
        case .json: Terminal.writeJSON(try JSON.pretty(value) + [UInt8(ascii: "\n")])
        case .yaml: Terminal.write(try YAMLEncoder().encode(value))
        }
    }
}

/// `-o`, for each command that prints an answer.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .long],
        help: "text, for people; wide, with all columns and nothing cut; json or yaml, for programs.")
    var output: OutputFormat = .text

    /// Whether to print everything, however wide.
    var isWide: Bool { output == .wide }

    /// Whether it is text, and no program reads it.
    var isForPeople: Bool { [.text, .wide].contains(output) }

    /// Prints `value`, as the text that `text` returns.
    func print<Value: Encodable>(_ value: Value, text: (Value) -> String) throws {
        try output.print(value, text: text)
    }
}

/// JSON as this command reads and prints it.
enum JSON {
    static func pretty(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    static func line(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: some Sequence<UInt8>) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }

    /// Decodes what the daemon answers.
    ///
    /// - Throws: ``CommandFailure``, in words, if it is not what this version knows.
    static func answer<Value: Decodable>(_ type: Value.Type, from bytes: some Sequence<UInt8>) throws -> Value {
        do {
            return try decode(type, from: bytes)
        } catch {
            let reason = (error as? DecodingError).map { Problem($0).description } ?? "\(error)"
            throw CommandFailure("cannot read the daemon's answer (does it have another version?): \(reason)")
        }
    }
}
