// SPDX-License-Identifier: Apache-2.0
// bpf-embed OUTPUT.swift BPF-DIRECTORY WORK-DIRECTORY PROGRAM.bpf.c...
//
// Compiles each program with clang's bpf target and writes one Swift file with the objects in base64.
import Foundation

struct EmbedFailure: Error, CustomStringConvertible {
    var description: String
}

/// `clang` of the Swift toolchain in use, else of PATH. SwiftPM runs plugins' tools with the toolchain's PATH or with
/// the user's, so both places are looked at.
func findClang() throws -> String {
    let environment = ProcessInfo.processInfo.environment
    if let chosen = environment["BULKHEAD_CLANG"] { return chosen }
    let directories = (environment["PATH"] ?? "/usr/bin").split(separator: ":").map(String.init)
    let besideSwift = directories.compactMap { directory -> String? in
        let swift = directory + "/swift"
        guard FileManager.default.isExecutableFile(atPath: swift) else { return nil }
        return URL(filePath: swift).resolvingSymlinksInPath().deletingLastPathComponent().path
    }
    for directory in besideSwift + directories {
        let clang = directory + "/clang"
        if FileManager.default.isExecutableFile(atPath: clang) { return clang }
    }
    throw EmbedFailure(description: "no clang beside swift or in PATH; set BULKHEAD_CLANG")
}

/// Where the architecture's own headers are (`asm/types.h`), which clang's bpf target does not search.
func architectureIncludes() -> [String] {
    let parent = "/usr/include"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    return names.filter { FileManager.default.fileExists(atPath: "\(parent)/\($0)/asm/types.h") }
        .sorted().map { "-I\(parent)/\($0)" }
}

func run(_ executable: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: executable)
    process.arguments = arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw EmbedFailure(description: "\(executable) failed with status \(process.terminationStatus)")
    }
}

func embed(_ arguments: [String]) throws {
    guard arguments.count >= 5 else {
        throw EmbedFailure(description: "usage: bpf-embed OUTPUT BPF-DIRECTORY WORK-DIRECTORY PROGRAM...")
    }
    let (output, sources, work) = (arguments[1], arguments[2], arguments[3])
    let clang = try findClang()
    var text = "// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0\n"
    text += "// Compiled from bpf/ by bpf-embed.\n\nenum EmbeddedObjects {\n"
    for program in arguments[4...] {
        let name = URL(filePath: program).lastPathComponent.replacing(".bpf.c", with: "")
        let object = "\(work)/\(name).bpf.o"
        // The prefix maps keep the builder's paths out of the object.
        let flags = [
            "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror",
            "-I\(sources)/abi/include",
            "-ffile-prefix-map=\(sources)=bpf", "-fdebug-compilation-dir=.",
        ]
        try run(clang, flags + architectureIncludes() + ["-c", program, "-o", object])
        let bytes = try Data(contentsOf: URL(filePath: object))
        text += "    static let \(name): StaticString = \"\(bytes.base64EncodedString())\"\n"
    }
    text += "}\n"
    try text.write(toFile: output, atomically: true, encoding: .utf8)
}

do {
    try embed(CommandLine.arguments)
} catch {
    FileHandle.standardError.write(Data("error: bpf-embed: \(error)\n".utf8))
    exit(1)
}
