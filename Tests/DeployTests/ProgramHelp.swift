// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit

/// What a program's parser says of itself.
struct ProgramHelp: Decodable {
    struct Command: Decodable {
        var commandName: String
        var arguments: [Argument]?
        var subcommands: [Command]?
    }
    struct Argument: Decodable {
        struct Name: Decodable {
            var kind: String
            var name: String
        }
        var kind: String
        var names: [Name]?
        var allValues: [String]?
        var defaultValue: String?
    }
    var command: Command

    /// As the program prints it.
    static func text(of program: String) throws -> String {
        try NetProcess.run([try NetDaemon.executable(program), "--experimental-dump-help"])
    }

    init(text: String) throws { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) }
}
