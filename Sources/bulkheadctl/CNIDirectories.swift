// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CNIInstallation
import ControlProtocol

/// The directories of the node's CNI.
struct CNIDirectories: ParsableArguments {
    @Option(help: ArgumentHelp("Directory of the node's CNI plugins.", valueName: "dir"), completion: .directory)
    var cniBinDir: String = ControlDefaults.cniBinaries

    @Option(help: ArgumentHelp("Directory of the node's CNI configuration.", valueName: "dir"), completion: .directory)
    var cniConfDir: String = ControlDefaults.cniConfigurations

    var installation: PluginInstallation {
        PluginInstallation(binaryDirectory: cniBinDir, configurationDirectory: cniConfDir)
    }
}
