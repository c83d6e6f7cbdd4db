// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Commands and options that documents name exist.
@Suite struct DocumentedCommandTests {
    /// A program's commands, and the names of options that each of them takes.
    private struct Program {
        private(set) var options: [String: Set<String>] = [:]
        private(set) var ownOptions: Set<String> = []

        init(_ name: String) throws {
            let root = try ProgramHelp(text: ProgramHelp.text(of: name)).command
            ownOptions = Self.options(of: root)
            for command in root.subcommands ?? [] { options[command.commandName] = Self.options(of: command) }
        }

        private static func options(of command: ProgramHelp.Command) -> Set<String> {
            let names = (command.arguments ?? []).flatMap { $0.names ?? [] }
            return Set(names.map { ($0.kind == "long" ? "--" : "-") + $0.name })
        }

        /// What is wrong with the words after the program's name; nil: nothing.
        func problem(_ words: [String]) -> String? {
            var known = ownOptions
            if options.count > 1, let command = words.first(where: { !$0.hasPrefix("-") }) {
                // Such as COMMAND.
                guard let taken = options[command] else { return isName(command) ? "no command \(command)" : nil }
                known.formUnion(taken)
            }
            for word in words where word.hasPrefix("-") && word.contains(where: \.isLetter) {
                let name = String(word.prefix { $0 != "=" && $0 != "]" })
                if !known.contains(name) { return "no option \(name)" }
            }
            return nil
        }

        private func isName(_ word: String) -> Bool { word.allSatisfy { $0.isLowercase || $0 == "-" } }
    }

    /// The command lines of a document: those in blocks of code, and those between backticks.
    private static func commands(_ text: String, of program: String) -> [String] {
        var found: [String] = []
        var isCode = false
        for line in text.components(separatedBy: "\n") {
            if line.trimmingCharacters(in: .whitespaces).hasPrefix("```") {
                isCode.toggle()
                continue
            }
            let pieces = isCode || line.hasPrefix("    ") ? [line[...]] : spans(line)
            for piece in pieces {
                for part in piece.split(whereSeparator: { "|;&()".contains($0) }) {
                    let words = part.drop { "$# ".contains($0) }
                    guard words.hasPrefix(program + " ") else { continue }
                    // What follows after several spaces, or after a sign for a comment, explains.
                    let ends = ["  ", " #", " >"].compactMap { words.range(of: $0)?.lowerBound }
                    found.append(String(words[..<(ends.min() ?? words.endIndex)]))
                }
            }
        }
        return found
    }

    private static func spans(_ line: String) -> [Substring] {
        line.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map(\.element)
    }

    private static let root = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func documents() throws -> [String] {
        let top = try FileManager.default.contentsOfDirectory(atPath: root.path)
        let inside = ["docs", "deploy", "examples"].flatMap { folder in
            (FileManager.default.enumerator(atPath: root.appending(path: folder).path)?.allObjects ?? [])
                .compactMap { $0 as? String }.map { "\(folder)/\($0)" }
        }
        return (top + inside).filter { $0.hasSuffix(".md") }.sorted()
    }

    @Test(arguments: [("bulkheadctl", 60), ("bulkheadd", 10)]) func theyExist(name: String, least: Int) throws {
        let program = try Program(name)
        var count = 0
        for path in try Self.documents() {
            let text = try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
            for command in Self.commands(text, of: name) {
                count += 1
                let words = command.split(separator: " ").dropFirst().map(String.init)
                let problem = program.problem(words)
                #expect(problem == nil, "\(path): '\(command)': \(problem ?? "")")
            }
        }
        // Else the documents were not found, or are not understood any more.
        #expect(count >= least)
    }

    @Test func whatDoesNotExistIsFound() throws {
        let program = try Program("bulkheadctl")
        #expect(program.problem(["verdict", "--manifests", "DIR", "a", "b", "80"]) == nil)
        #expect(program.problem(["verdict", "-f", "DIR", "a", "b", "80"]) == "no option -f")
        #expect(program.problem(["reach", "--too=a"]) == "no option --too")
        #expect(program.problem(["rech"]) == "no command rech")
        let text =
            "Run `bulkheadctl top -d 1` as bulkheadctl says.\n```\n$ bulkheadctl check - | bulkheadctl lint x  why\n```"
        #expect(
            Self.commands(text, of: "bulkheadctl") == [
                "bulkheadctl top -d 1", "bulkheadctl check - ", "bulkheadctl lint x",
            ])
    }
}
