// SPDX-License-Identifier: Apache-2.0
import CNIInstallation
import ChainedCNI
import ControlProtocol
import Glibc
import Logging
import Synchronization

/// The chained CNI plugin, kept installed while the daemon serves.
final class PluginKeeping: Sendable {
    private let installation: PluginInstallation
    private let program: String
    private let settings: PluginSettings
    private let logger: Logger
    private let keeper = Mutex<InstallationKeeper?>(nil)

    /// Nil without the option.
    init?(_ command: BulkheadD, _ logger: Logger) throws {
        let options = command.plugin
        guard options.installCNI else { return nil }
        installation = options.directories.installation
        program = try options.cniPlugin ?? Self.besideThisProgram()
        settings = options.settings(socket: command.socket)
        self.logger = logger
    }

    /// Call this once the control socket answers: before that, an installed plugin would only wait.
    func start() {
        do {
            let started = try InstallationKeeper(installation, program: program, settings: settings) {
                [logger] text, isProblem in
                if isProblem {
                    logger.warning("CNI plugin not installed", metadata: ["problem": "\(text)"])
                } else {
                    logger.notice("CNI plugin", metadata: ["change": "\(text)"])
                }
            }
            keeper.withLock { $0 = started }
        } catch {
            logger.error("CNI plugin not installed", metadata: ["error": "\(error)"])
        }
    }

    /// What is installed stays.
    func stop() { keeper.withLock { $0 }?.stop() }

    /// For the status; nil before ``start()``.
    var status: PluginStatus? {
        keeper.withLock { $0?.state }.map {
            PluginStatus(configuration: $0.configuration, installs: $0.installs, problem: $0.problem)
        }
    }

    private static func besideThisProgram() throws -> String {
        var path = [UInt8](repeating: 0, count: 4096)
        let length = path.withUnsafeMutableBytes { bytes in
            readlink("/proc/self/exe", bytes.bindMemory(to: CChar.self).baseAddress!, bytes.count)
        }
        let own = length > 0 ? String(decoding: path[..<length], as: UTF8.self) : ""
        guard let slash = own.lastIndex(of: "/") else {
            throw SetUpError(what: "the path of this program is unknown", remedy: "name the plugin with --cni-plugin")
        }
        return own[...slash] + PluginSettings.type
    }
}
