// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Glibc

struct DiagsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diags",
        abstract: "Collects what a bug report needs in one compressed archive, and lists it first.",
        discussion: """
            The archive has the daemon's answers (status, pods, policies, counters, tables), what Bulkhead has in the \
            kernel, and the kernel's settings. It has names and addresses of pods and policies. It never has Secrets, \
            tokens, kubeconfig files, annotations or the environment of a process. A part that cannot be collected is \
            a line in errors.txt, and the others are still collected: also without a daemon. verify.json is asked last: \
            it repairs what it finds, as 'status --verify' does.
            """)

    @Option(
        name: [.customShort("o"), .long],
        help: ArgumentHelp(
            "The archive (default: bulkhead-diags-TIME.tar.gz); - writes it to standard output. An existing file is not replaced.",
            valueName: "file"), completion: .file())
    var output: String?

    @Flag(help: "Collect and list the files, and write no archive.")
    var list = false

    @Option(
        help: ArgumentHelp("Add the end of this log file. May be repeated.", valueName: "file"), completion: .file())
    var log: [String] = []

    @Option(help: ArgumentHelp("Add the end of this systemd unit's journal. May be repeated.", valueName: "unit"))
    var journald: [String] = []

    @Option(
        help: ArgumentHelp("Limit of megabytes of one file in the archive, from 1 to 256.", valueName: "megabytes"))
    var maxFileSize = 16

    @Option(
        help: ArgumentHelp("BPF file system in which the kernel's objects are pinned.", valueName: "dir"),
        completion: .directory)
    var bpffs: String = ControlDefaults.bpffs

    @OptionGroup var socket: SocketOptions

    func validate() throws {
        guard (1...256).contains(maxFileSize) else { throw ValidationError("--max-file-size is from 1 to 256") }
        if list, output != nil { throw ValidationError("--list and --output exclude each other") }
        if output == "-", isatty(STDOUT_FILENO) == 1 {
            throw ValidationError("the archive is not text: redirect standard output, or name a file with -o")
        }
    }

    func run() async throws {
        let now = Glibc.time(nil)
        let path = output ?? "bulkhead-diags-\(Self.text(of: now)).tar.gz"
        // To collect takes a while, which would be lost.
        if !list { try Self.check(path) }
        let sources = DiagnosticSources(client: socket.client, bpffs: bpffs)
        var bundle = DiagnosticBundle(limit: maxFileSize << 20)
        await sources.collect(into: &bundle)
        await sources.collect(logs: log, units: journald, into: &bundle)
        if list { return Terminal.write(Self.table(of: bundle)) }
        // Before it is written, so that its sender knows what is sent.
        Terminal.complain(Self.table(of: bundle) + (path == "-" ? "" : "writing \(path)"))
        try Self.write(bundle.archive(time: now), to: path)
    }

    private static func table(of bundle: DiagnosticBundle) -> String {
        var table = Table("BYTES", "FILE", "WHAT")
        for file in bundle.all { table.add("\(file.content.count)", .init(file.name), .init(file.what)) }
        return table.text
    }

    private static func write(_ archive: [UInt8], to path: String) throws {
        guard path != "-" else { return try GzipFile.write(archive, to: STDOUT_FILENO) }
        let descriptor = try create(path)
        defer { close(descriptor) }
        do {
            try GzipFile.write(archive, to: descriptor)
        } catch {
            unlink(path)
            throw error
        }
    }

    private static func create(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure("cannot create \(path): \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    /// Finds out whether the archive can be created. Nothing stays if the command is interrupted.
    private static func check(_ path: String) throws {
        guard path != "-" else { return }
        close(try create(path))
        unlink(path)
    }

    /// As `20060102T150405Z`.
    private static func text(of time: time_t) -> String {
        var time = time
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y%m%dT%H%M%SZ", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
