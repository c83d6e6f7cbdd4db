// SPDX-License-Identifier: Apache-2.0
import Foundation
import PackagePlugin

/// Compiles every `bpf/*.bpf.c` and writes the objects into one Swift file of the target.
@main
struct EmbedBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let sources = context.package.directoryURL.appending(path: "bpf").resolvingSymlinksInPath()
        let files = try Self.files(under: sources)
        let programs = files.filter { $0.path.hasSuffix(".bpf.c") }.sorted { $0.path < $1.path }
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedObjects.swift")
        let tool = try context.tool(named: "bpf-embed")
        return [
            .buildCommand(
                displayName: "Compiling and embedding BPF objects",
                executable: tool.url,
                arguments: [output.path, sources.path, context.pluginWorkDirectoryURL.path] + programs.map(\.path),
                inputFiles: files,
                outputFiles: [output])
        ]
    }

    /// Every C source and header: an edit of any of them rebuilds the objects.
    private static func files(under directory: URL) throws -> [URL] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
        return paths.filter { $0.hasSuffix(".c") || $0.hasSuffix(".h") }.sorted().map { directory.appending(path: $0) }
    }
}
