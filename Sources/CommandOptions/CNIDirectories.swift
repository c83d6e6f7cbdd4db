// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CNIInstallation
import ControlProtocol

/// The options that say where the node's CNI is.
public struct CNIDirectories: ParsableArguments {
    @Option(help: ArgumentHelp("Directory of the node's CNI plugins.", valueName: "dir"), completion: .directory)
    public var cniBinDir: String = ControlDefaults.cniBinaries

    @Option(help: ArgumentHelp("Directory of the node's CNI configuration.", valueName: "dir"), completion: .directory)
    public var cniConfDir: String = ControlDefaults.cniConfigurations

    public init() {}

    public var installation: PluginInstallation {
        PluginInstallation(binaryDirectory: cniBinDir, configurationDirectory: cniConfDir)
    }
}
