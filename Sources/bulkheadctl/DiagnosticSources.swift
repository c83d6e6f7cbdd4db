// SPDX-License-Identifier: Apache-2.0
import BridgeGuard
import ControlProtocol
import DatapathEBPF
import DatapathNFTables
import Glibc
import RequestSteering

/// Where the files of a bug report come from.
struct DiagnosticSources {
    let client: ControlClient
    let bpffs: String
    /// Bytes of a log's end that are taken.
    static let logLimit = 4 << 20

    /// The daemon's answers, by their path without the prefix. The client may know paths that an older daemon does not
    /// have: a part that is missing is noted.
    private static let answers: [(path: String, query: [(String, String)], file: String, what: String)] = [
        ("status", [], "status.json", "health, datapath, sizes, sources"),
        ("endpoints", [], "endpoints.json", "pods of this node, addresses, interfaces"),
        ("policies", [], "policies.json", "policies and the pods that they select"),
        ("counters", [], "counters.json", "packets by rule, and other drops"),
        ("unused", [], "unused.json", "rules that never matched"),
        ("attachments", [], "attachments.json", "pods that the container runtime has reported"),
        ("resolved", [], "resolved.json", "resolved policy"),
        ("flows", [("last", "1000")], "flows.jsonl", "the latest flows"),
        ("history", [("last", "1000")], "history.jsonl", "the latest changes"),
        ("dump", [], "tables.txt", "compiled tables, and those in the kernel"),
    ]

    func collect(into bundle: inout DiagnosticBundle) async {
        await bundle.add("version.json", "versions of client and daemon") {
            var report = VersionCommand.Report()
            report.daemon = try? await client.ask(VersionAnswer.self, .get, .version)
            return try JSON.pretty(report)
        }
        for answer in Self.answers {
            await bundle.add(answer.file, answer.what) {
                guard let path = ControlPath(rawValue: "/v1/\(answer.path)") else {
                    throw CommandFailure("this bulkheadctl does not know /v1/\(answer.path)")
                }
                return try await client.ask(.get, path, query: answer.query)
            }
        }
        await bundle.add("kernel.txt", "kernel, its settings and options, interfaces") {
            Array(KernelFacts.text().utf8)
        }
        await addInstalled(to: &bundle)
        await addRuleset(to: &bundle)
        // Last: it repairs what it finds, and all other files must show the kernel before that.
        await bundle.add("verify.json", "what the daemon finds when it checks itself") {
            var patient = client
            patient.timeout = client.timeout ?? VerifyReport.timeout
            return try await patient.ask(.get, .verify)
        }
    }

    /// Maps, programs and links by their names, and tables; as `uninstall` would find them.
    private func addInstalled(to bundle: inout DiagnosticBundle) async {
        await bundle.add("installed.txt", "maps, programs, links and tables of Bulkhead in the kernel") {
            let isPrivileged = EBPFDatapath.canListLinks
            var lines = try EBPFDatapath.installed(bpffs: bpffs, withUnpinned: isPrivileged)
            lines += try NFTablesDatapath.installed()
            lines += try BridgeSourceCheck.installed()
            lines += try RequestSteering.installed()
            if !isPrivileged { lines.append("(links without a pin cannot be listed without CAP_SYS_ADMIN)") }
            return Array(lines.map { Terminal.visible($0) + "\n" }.joined().utf8)
        }
    }

    /// Bulkhead's own tables, by family. Those of others are none of a bug report's business.
    private static let tables = [
        "inet bulkhead", "inet bulkhead-tracking", "inet bulkhead-requests", "bridge bulkhead",
        "bridge bulkhead-requests",
    ]

    private func addRuleset(to bundle: inout DiagnosticBundle) async {
        let limit = bundle.limit
        await bundle.add("ruleset.txt", "nftables tables of Bulkhead") {
            let listed = try OtherProgram.output(of: ["nft", "list", "tables"], limit: 1 << 20)
            let present = Set(String(decoding: listed, as: UTF8.self).split(separator: "\n").map(String.init))
            var text: [UInt8] = []
            for table in Self.tables where present.contains("table \(table)") {
                let words = ["nft", "list", "table"] + table.split(separator: " ").map(String.init)
                text += try OtherProgram.output(of: words, limit: limit)
            }
            return text
        }
    }

    /// Adds the ends of logs. Their paths do not become names in the archive.
    func collect(logs: [String], units: [String], into bundle: inout DiagnosticBundle) async {
        for (number, path) in logs.enumerated() {
            await bundle.add("log-\(number + 1).txt", "the end of a log file") { try Self.end(of: path) }
        }
        for (number, unit) in units.enumerated() {
            await bundle.add("journal-\(number + 1).txt", "the end of a unit's journal") {
                let words = ["journalctl", "--no-pager", "--output=short-iso", "--lines=20000", "--unit=\(unit)"]
                return try OtherProgram.output(of: words, limit: Self.logLimit)
            }
        }
    }

    /// Places that hold credentials or the environment of processes, and never a log.
    private static let refused = [
        "/proc", "/sys", "/dev", "/run/secrets", "/var/run/secrets", "/etc/kubernetes", "/var/lib/kubelet", "/home",
    ]

    /// - Parameter real: an absolute path without symbolic links.
    private static func mayBeLog(_ real: String) -> Bool {
        !real.contains("/.kube/") && !refused.contains { real.hasPrefix($0 + "/") }
    }

    private static func end(of path: String) throws -> [UInt8] {
        guard let resolved = realpath(path, nil) else {
            throw CommandFailure("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        defer { free(resolved) }
        let real = String(cString: resolved)
        guard mayBeLog(real) else { throw CommandFailure("\(path) is not a log") }
        let descriptor = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard descriptor >= 0 else { throw CommandFailure("cannot open \(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw CommandFailure("\(path) is not a regular file")
        }
        let start = max(0, Int(status.st_size) - logLimit)
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size) - start) { buffer, count in
            while count < buffer.count {
                let place = buffer.baseAddress?.advanced(by: count)
                let part = pread(descriptor, place, buffer.count - count, start + count)
                if part < 0, errno == EINTR { continue }
                guard part > 0 else { break }
                count += part
            }
        }
        // A file that was cut begins with a whole line.
        guard start > 0, let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return bytes }
        return Array(bytes[(end + 1)...])
    }
}
