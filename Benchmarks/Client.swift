// SPDX-License-Identifier: Apache-2.0
import Documents
import Foundation

/// Calls `body` with a folder of lists as `kubectl get -o json` prints them, one for each name.
func withManifests<T>(_ lists: [String: [DocumentNode]], _ body: (String) throws -> T) throws -> T {
    let files = FileManager.default
    let folder = files.temporaryDirectory.appendingPathComponent("bulkhead-manifests-\(getpid())")
    try files.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? files.removeItem(at: folder) }
    for (name, items) in lists {
        let list = DocumentNode.object([
            "apiVersion": .string("v1"), "kind": .string("List"), "items": .array(items),
        ])
        try Data(list.json.utf8).write(to: folder.appendingPathComponent("list-\(name).json"))
    }
    return try body(folder.path)
}

/// Processor time of a command of `bulkheadctl` that prints to nowhere.
func clientMilliseconds(_ arguments: [String]) throws -> Double {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("bulkheadctl")
    process.arguments = arguments
    process.standardOutput = FileHandle(forWritingAtPath: "/dev/null")
    let before = childrensMilliseconds()
    try process.run()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
        throw ClientFailure(arguments: arguments)
    }
    return childrensMilliseconds() - before
}

/// A command that failed, whose time would mean nothing.
struct ClientFailure: Error {
    var arguments: [String]
}
