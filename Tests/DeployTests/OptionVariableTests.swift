// SPDX-License-Identifier: Apache-2.0
import CommandOptions
import Foundation
import NetworkKit
import Testing

/// The daemon's options as variables of its environment.
@Suite struct OptionVariableTests {
    private let variables: OptionVariables

    init() throws {
        let help = try NetProcess.run([try NetDaemon.executable("bulkheadd"), "--experimental-dump-help"])
        variables = try OptionVariables(prefix: "BULKHEADD_", help: help, argumentsOnly: ["once", "cleanup"])
    }

    @Test func eachKindOfOption() throws {
        let given = try variables.given(
            [
                "BULKHEADD_LOG_FORMAT": "json", "BULKHEADD_INSTALL_CNI": "true", "BULKHEADD_REJECT": "false",
                "BULKHEADD_KEEP_LAST_ON_EMPTY": "false", "BULKHEADD_NODE_DNS": "10.0.0.1, fd00::1",
                "BULKHEADD_DATAPATH": "", "BULKHEAD_SERVICE_HOST": "10.0.0.9", "PATH": "/bin",
            ], ["--once"])
        #expect(
            given.arguments == [
                "--install-cni", "--no-keep-last-on-empty", "--log-format=json", "--node-dns=10.0.0.1",
                "--node-dns=fd00::1", "--once",
            ])
        #expect(given.variables["--log-format"] == "BULKHEADD_LOG_FORMAT" && given.variables["--datapath"] == nil)
    }

    @Test(arguments: [["--log-format", "text"], ["--log-format=text"]]) func argumentsOverride(arguments: [String])
        throws
    {
        #expect(try variables.given(["BULKHEADD_LOG_FORMAT": "json"], arguments).arguments == arguments)
    }

    @Test func argumentsOverrideFlagsAndLists() throws {
        let environment = ["BULKHEADD_KEEP_LAST_ON_EMPTY": "true", "BULKHEADD_NODE_DNS": "10.0.0.1"]
        let arguments = ["--no-keep-last-on-empty", "--node-dns", "10.0.0.2"]
        #expect(try variables.given(environment, arguments).arguments == arguments)
    }

    @Test(arguments: [
        (
            "BULKHEADD_DATPATH", "ebpf",
            "the variable BULKHEADD_DATPATH is not an option; did you mean BULKHEADD_DATAPATH?"
        ),
        (
            "BULKHEADD_Datapath", "ebpf",
            "the variable BULKHEADD_Datapath is not an option; did you mean BULKHEADD_DATAPATH?"
        ),
        (
            "BULKHEADD_NODE", "node1",
            "the variable BULKHEADD_NODE is not an option; did you mean BULKHEADD_NODE_DNS or BULKHEADD_NODE_NAME?"
        ),
        (
            "BULKHEADD_FLOWS_KEPT", "9",
            "the variable BULKHEADD_FLOWS_KEPT is not an option; did you mean BULKHEADD_FLOWS?"
        ),
        ("BULKHEADD_PORT_9105_TCP_ADDR", "1", "the variable BULKHEADD_PORT_9105_TCP_ADDR is not an option"),
        ("BULKHEADD_REJECT", "yes", "the variable BULKHEADD_REJECT is 'yes'; it must be true or false"),
        ("BULKHEADD_CLEANUP", "true", "the variable BULKHEADD_CLEANUP is not allowed: give --cleanup as an argument"),
        ("BULKHEADD_HELP", "true", "the variable BULKHEADD_HELP is not allowed: give --help as an argument"),
    ]) func whatIsWrongIsNamed(variable: String, value: String, message: String) {
        let error = #expect(throws: OptionVariables.Problem.self) {
            _ = try variables.given([variable: value], [])
        }
        #expect(error?.description == message)
    }

    /// The daemon itself: all that it says of a wrong environment, and its exit code.
    @Test(arguments: [
        ("BULKHEADD_DATPATH=ebpf", "error: the variable BULKHEADD_DATPATH is not an option; did you mean"),
        ("BULKHEADD_LOG_FORMAT=yaml", "(--log-format is from the variable BULKHEADD_LOG_FORMAT)\n"),
        (
            "BULKHEADD_NODE_NAME=a BULKHEADD_SELF_PROOF=200",
            "error: --self-proof is from 0 to 100 percent (--self-proof is from the variable"
        ),
        ("BULKHEADD_LOG_LEVEL=debug", "error: --node-name is missing"),
    ]) func theDaemonRefuses(variables: String, message: String) throws {
        let program = try NetDaemon.executable("bulkheadd")
        let words = variables.split(separator: " ").map(String.init)
        let error = #expect(throws: NetError.self) { try NetProcess.run(["env"] + words + [program]) }
        guard case .command(_, let status, let output)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(status == 2 && output.contains(message), "\(output)")
    }

    @Test func helpNeedsNoValidEnvironment() throws {
        let program = try NetDaemon.executable("bulkheadd")
        let help = try NetProcess.run(["env", "BULKHEADD_DATPATH=ebpf", program, "--help"])
        #expect(help.contains("BULKHEADD_LOG_FORMAT=json is"))
    }
}
