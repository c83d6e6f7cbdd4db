// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import BridgeGuard
import CommandOptions
import ControlProtocol
import DatapathEBPF
import DatapathNFTables
import Glibc
import NodeNetwork
import RequestSteering

struct UninstallCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uninstall",
        abstract:
            "Removes everything that Bulkhead has added to the kernel and the CNI, and shows that nothing is left.",
        discussion: """
            Works without a daemon, in the network namespace in which it is started. Pods are then unprotected. Refuses to \
            run while a daemon runs, which would restore everything. Also finds programs that are attached in this network \
            namespace and pinned in another BPF file system or not at all; listing those requires CAP_SYS_ADMIN.
            """)

    @Option(
        help: ArgumentHelp("BPF file system in which the kernel's objects are pinned.", valueName: "dir"),
        completion: .directory)
    var bpffs: String = ControlDefaults.bpffs

    @OptionGroup var directories: CNIDirectories
    @OptionGroup var output: OutputOptions

    /// What `-o json` prints.
    struct Report: Codable {
        var removed: [String]
        var left: [String]
    }

    func run() throws {
        if bpffs != ControlDefaults.bpffs, access(bpffs, F_OK) != 0 {
            throw ValidationError("--bpffs \(bpffs) does not exist; name the one that bulkheadd uses")
        }
        let lock = try NamespaceLock()
        defer { withExtendedLifetime(lock) {} }
        try NFTablesDatapath.checkUnused()
        let listsLinks = EBPFDatapath.canListLinks
        // First, because a pod that starts now must not wait for a daemon that never comes.
        let removed =
            try directories.installation.remove() + EBPFDatapath.uninstall(bpffs: bpffs, withUnpinned: listsLinks)
            + NFTablesDatapath.uninstall()
            + BridgeSourceCheck.uninstall() + RequestSteering.uninstall()
        var left =
            try directories.installation.installed() + EBPFDatapath.installed(bpffs: bpffs, withUnpinned: listsLinks)
            + NFTablesDatapath.installed() + BridgeSourceCheck.installed()
            + RequestSteering.installed()
        if !listsLinks {
            left.append("links that are not pinned in \(bpffs), if any: listing them requires CAP_SYS_ADMIN")
        }
        let report = Report(removed: removed, left: left)
        try output.print(report, text: Self.text)
        if !report.left.isEmpty { throw ExitStatus.failure.error }
    }

    static func text(_ report: Report) -> String {
        let removed = report.removed.map { "removed \($0)\n" }.joined()
        let left = report.left.map { Terminal.paint("left behind: \($0)", .red) + "\n" }.joined()
        return removed + left + (report.left.isEmpty ? "nothing is left\n" : "")
    }
}
