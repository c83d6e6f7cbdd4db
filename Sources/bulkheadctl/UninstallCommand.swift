// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import BridgeGuard
import ControlProtocol
import DatapathEBPF
import DatapathNFTables
import Glibc
import NodeNetwork

struct UninstallCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uninstall",
        abstract: "Removes all that Bulkhead has put into the kernel and the CNI, and shows that nothing is left.",
        discussion: """
            Works without a daemon, in the network namespace that it is started in. Pods are unprotected afterwards. \
            Refuses while a daemon runs, since that would put everything back. Finds programs too that are attached in this \
            network namespace and pinned in another BPF file system, or nowhere; listing those takes CAP_SYS_ADMIN.
            """)

    @Option(
        help: ArgumentHelp("File system in which the kernel's objects are pinned.", valueName: "dir"),
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
            throw ValidationError("--bpffs \(bpffs) is not there; name the one that bulkheadd was given")
        }
        let lock = try NamespaceLock()
        defer { withExtendedLifetime(lock) {} }
        try NFTablesDatapath.checkUnused()
        let listsLinks = EBPFDatapath.canListLinks
        // First of all: what starts now must not wait for a daemon that does not come.
        let removed =
            try directories.installation.remove() + EBPFDatapath.uninstall(bpffs: bpffs, withUnpinned: listsLinks)
            + NFTablesDatapath.uninstall()
            + BridgeSourceCheck.uninstall()
        var left =
            try directories.installation.installed() + EBPFDatapath.installed(bpffs: bpffs, withUnpinned: listsLinks)
            + NFTablesDatapath.installed() + BridgeSourceCheck.installed()
        if !listsLinks {
            left.append("links that are not pinned in \(bpffs), if any: only CAP_SYS_ADMIN can list them")
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
