// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import ControlProtocol
import Journal
import JournalFiles
import KubernetesObjects
import Logging
import PolicyModel
import PolicyResolver

/// The journal of an agent.
public enum AgentJournal {
    /// Starts it. Nil if the system has no thread left, which the log then says: the daemon runs without it.
    ///
    /// - Parameters:
    ///   - path: its directory.
    ///   - byteLimit: what its files have together.
    ///   - policy: the agent's settings, for samples of verdicts.
    public static func start(
        path: String, byteLimit: Int = JournalDirectory.defaultByteLimit, node: String, policy: PolicySettings,
        clock: JournalClock = .system, logger: Logger
    ) -> JournalWriter? {
        do {
            return try JournalWriter(
                node: node, directory: JournalDirectory(path: path, byteLimit: byteLimit), version: BuildVersion.text,
                clock: clock, differ: { samples(node, policy, $0, $1, $2, $3) }, report: { log($0, path, logger) })
        } catch {
            logger.warning("the journal is off", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private static func samples(
        _ node: String, _ policy: PolicySettings, _ before: JournalState, _ after: JournalState, _ keys: [ObjectKey],
        _ pods: [String]
    ) -> [String] {
        let names = pods.compactMap { EndpointName(text: $0) }
        let changed = keys.flatMap { [before.objects[$0], after.objects[$0]].compactMap(\.self) }
        return VerdictSamples(
            node: node, pods: names, before: Array(before.objects.values), after: Array(after.objects.values),
            changed: changed, settings: policy
        ).sentences()
    }

    private static func log(_ report: JournalReport, _ path: String, _ logger: Logger) {
        switch report {
        case .opened(let records, let damaged):
            guard damaged > 0 else {
                return logger.debug("journal", metadata: ["records": "\(records)", "path": "\(path)"])
            }
            logger.warning(
                "parts of the journal cannot be read and are passed over",
                metadata: ["damaged": "\(damaged)", "records": "\(records)", "path": "\(path)"])
        case .setAside(let file):
            logger.warning("a file of the journal is of a newer version and was renamed", metadata: ["file": "\(file)"])
        case .off(let reason):
            logger.warning("the journal is off: it cannot be written", metadata: ["error": "\(reason)"])
        case .on(let lost): logger.notice("the journal is written again", metadata: ["lost": "\(lost)"])
        case .checkpointFailed(let reason):
            logger.warning("the journal will not reach back beyond the next start", metadata: ["error": "\(reason)"])
        }
    }
}

extension EndpointName {
    /// `namespace/name`.
    fileprivate init?(text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.init(namespace: String(parts[0]), name: String(parts[1]))
    }
}
