// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CNIInstallation
import ControlProtocol

/// Where the node's CNI is.
struct CNIDirectories: ParsableArguments {
    @Option(help: ArgumentHelp("Where the node's CNI plugins are.", valueName: "dir"), completion: .directory)
    var cniBinDir: String = ControlDefaults.cniBinaries

    @Option(help: ArgumentHelp("Where the node's CNI configuration is.", valueName: "dir"), completion: .directory)
    var cniConfDir: String = ControlDefaults.cniConfigurations

    var installation: PluginInstallation {
        PluginInstallation(binaryDirectory: cniBinDir, configurationDirectory: cniConfDir)
    }
}
