// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ChainedCNI
import CommandOptions
import ControlProtocol

/// How the chained CNI plugin is installed.
struct PluginOptions: ParsableArguments {
    @Flag(
        help: ArgumentHelp(
            "Install the chained CNI plugin, so that a pod starts only after its policy is in force.",
            discussion: """
                The plugin is copied into --cni-bin-dir and added to the first configuration in --cni-conf-dir, and \
                added again when that file is rewritten. It stays when the daemon ends, until --cleanup or \
                'bulkheadctl uninstall' removes it.
                """))
    var installCNI = false

    @OptionGroup var directories: CNIDirectories

    @Option(
        help: ArgumentHelp("How long a pod's start waits for its policy, from 0.1 to 25.", valueName: "seconds"))
    var cniDeadline: Double = 10

    @Option(
        help: """
            When the deadline passes: deny (the pod's start fails and is retried) or allow (it starts unprotected).
            """)
    var cniOnDeadline: PluginSettings.Expiry = .deny

    @Option(
        help: ArgumentHelp(
            "The plugin to copy; by default bulkhead-cni next to this program.", valueName: "path"),
        completion: .file())
    var cniPlugin: String?

    private var deadlineMilliseconds: Int { Int((min(max(cniDeadline, 0), 1000) * 1000).rounded()) }

    func validate() throws {
        guard PluginSettings.deadlines.contains(deadlineMilliseconds) else {
            throw ValidationError("--cni-deadline is from 0.1 to 25 seconds")
        }
    }

    func settings(socket: String) -> PluginSettings {
        PluginSettings(socket: socket, deadlineMilliseconds: deadlineMilliseconds, onDeadline: cniOnDeadline)
    }
}

extension PluginSettings.Expiry: ExpressibleByArgument {}
