// SPDX-License-Identifier: Apache-2.0
import Agent
import ArgumentParser
import JournalFiles
import Logging

/// Where changes are recorded.
struct JournalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Directory of the journal; by default the control socket's path with .journal. An empty path turns it off.",
            discussion: """
                It records changes of policies, namespaces, nodes and pods, for 'bulkheadctl history' and 'verdict \
                --at'. Beside the socket it lasts until a reboot; a directory on disk lasts longer.
                """, valueName: "dir"),
        completion: .directory)
    var journal: String?

    @Option(help: ArgumentHelp("Limit of the journal's size.", valueName: "bytes"))
    var journalBytes: Int = JournalDirectory.defaultByteLimit

    func validate() throws {
        let limits = JournalDirectory.leastByteLimit...1 << 30
        guard limits.contains(journalBytes) else {
            throw ValidationError("--journal-bytes is from \(limits.lowerBound) to \(limits.upperBound)")
        }
    }

    /// Starts the journal; nil if it is off.
    func start(_ command: BulkheadD, _ logger: Logger) -> JournalWriter? {
        let path = journal ?? JournalDirectory.path(beside: command.socket)
        guard !path.isEmpty, !command.once, !command.cleanup else { return nil }
        return AgentJournal.start(
            path: path, byteLimit: journalBytes, node: command.nodeName ?? "", policy: command.policySettings,
            logger: logger)
    }
}
