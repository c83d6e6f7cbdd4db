// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FoundationEssentials
import Yams

/// The format of an answer.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case wide
    case json
    case yaml
}

/// `-o`, for each command that prints an answer.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .long],
        help: "text, for people; wide, with all columns and nothing cut; json or yaml, for programs.")
    var output: OutputFormat = .text

    /// Whether to print everything, however wide.
    var isWide: Bool { output == .wide }

    /// Prints `value`, as the text that `text` returns.
    func print<Value: Encodable>(_ value: Value, text: (Value) -> String) throws {
        switch output {
        case .text, .wide:
            Terminal.settings.withLock { $0.isWide = isWide }
            Terminal.write(text(value))
        case .json: Terminal.writeJSON(try JSON.pretty(value) + [UInt8(ascii: "\n")])
        case .yaml: Terminal.write(try YAMLEncoder().encode(value))
        }
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
}
