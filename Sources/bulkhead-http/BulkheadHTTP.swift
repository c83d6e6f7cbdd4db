// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

/// The command line of the request proxy's own part.
@main
struct BulkheadHTTP: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulkhead-http",
        abstract: "Decides about HTTP requests for the request proxy of one node.",
        discussion: """
            Runs beside HAProxy in the pod of the request proxy (deploy/requests). HAProxy parses requests and asks \
            this program about each; bulkheadd sends the policy.
            """,
        version: BuildVersion.text, subcommands: [Prepare.self, Decide.self])
}
