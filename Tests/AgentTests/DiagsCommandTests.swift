// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import Testing

/// `bulkheadctl diags`. One test at a time: each waits for answers, which a busy machine delays.
@Suite(.serialized) struct DiagsCommandTests {
    private static let always: Set = [
        "version.json", "status.json", "endpoints.json", "policies.json", "counters.json", "attachments.json",
        "resolved.json", "tables.txt", "kernel.txt", "verify.json",
    ]

    private func diags(_ socket: String, _ arguments: [String]) async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", ["diags", "--socket", socket] + arguments) }
    }

    /// The names in an archive, as tar lists them, and everything unpacked.
    private func unpack(_ archive: String, in directory: TemporaryDirectory) throws -> (names: [String], text: String) {
        let names = try NetProcess.run(["tar", "-tzf", archive]).split(separator: "\n").map(String.init)
        try NetProcess.run(["tar", "-C", directory.path, "-xzf", archive])
        defer { _ = try? NetProcess.run(["rm", "-r", directory.path + "/bulkhead-diags"]) }
        let text = try NetProcess.run(["sh", "-c", "cat \(directory.path)/bulkhead-diags/*"])
        return (names, text)
    }

    private func content(_ archive: String, _ name: String) throws -> String {
        try NetProcess.run(["tar", "-xzOf", archive, "bulkhead-diags/\(name)"])
    }

    @Test func oneArchiveHasEverything() async throws {
        try await SocketFixture.serve { fixture in
            let archive = fixture.base.directory.path + "/report.tar.gz"
            let result = try await diags(fixture.path, ["-o", archive])
            #expect(result.status == 0 && result.output.isEmpty, "\(result.complaints)")
            let (names, _) = try unpack(archive, in: fixture.base.directory)
            #expect(Set(names).isSuperset(of: Self.always.map { "bulkhead-diags/\($0)" }))
            // What repairs comes after all that shows the kernel.
            #expect(names.last { $0 != "bulkhead-diags/errors.txt" } == "bulkhead-diags/verify.json", "\(names)")
            #expect(try content(archive, "status.json").contains(#""node":"node""#))
            #expect(try content(archive, "policies.json").contains(#""name":"redis""#))
            #expect(try content(archive, "tables.txt").contains("fake tables"))
            let kernel = try content(archive, "kernel.txt")
            #expect(kernel.contains("net.ipv4.ip_forward = ") && kernel.contains("\nlo ifindex 1 "))
            // Each file was listed before, with its size.
            let listed = result.complaints.split(separator: "\n").map { $0.split(separator: " ") }
            for name in names {
                let file = name.dropFirst("bulkhead-diags/".count)
                let line = try #require(listed.first { $0.count > 1 && $0[1] == file }, "\(file)")
                let size = try content(archive, String(file)).utf8.count
                #expect(Int(line[0]) == size)
            }
            var status = stat()
            let found = stat(archive, &status)
            #expect(found == 0 && status.st_mode & 0o777 == 0o600)
            let again = try await diags(fixture.path, ["-o", archive])
            #expect(again.status == 1 && again.complaints == "error: cannot create \(archive): File exists\n")
            let nowhere = try await diags(fixture.path, ["-o", "\(archive)/x"])
            #expect(nowhere.complaints == "error: cannot create \(archive)/x: Not a directory\n")
        }
    }

    @Test func listsWithoutWriting() async throws {
        try await SocketFixture.serve { fixture in
            let listed = try await diags(fixture.path, ["--list"])
            #expect(listed.status == 0 && listed.output.contains("status.json") && listed.complaints.isEmpty)
            #expect(try await diags(fixture.path, ["--list", "-o", "x"]).status == 2)
            let piped = try await onOwnThread {
                let line = "$0 diags --socket \(fixture.path) -o - 2>/dev/null | tar -tzf - | grep -c ^bulkhead-diags/"
                return try CommandLine.runShell(line, program: "bulkheadctl")
            }
            #expect((Int(piped.dropLast()) ?? 0) >= Self.always.count)
        }
    }

    /// Without a daemon the rest is collected, and what failed is said.
    @Test func partsThatFailAreNoted() async throws {
        let directory = try TemporaryDirectory()
        let archive = directory.path + "/report.tar.gz"
        let result = try await diags(
            directory.path + "/none", ["-o", archive, "--log", directory.path + "/missing", "--bpffs", directory.path])
        #expect(result.status == 0)
        let errors = try content(archive, "errors.txt")
        #expect(errors.contains("status.json: no daemon answers on \(directory.path)/none: "))
        #expect(errors.contains("log-1.txt: cannot open \(directory.path)/missing: No such file or directory"))
        #expect(try content(archive, "kernel.txt").contains("# system"))
        #expect(try content(archive, "version.json").contains(#""commit""#))
        let names = try unpack(archive, in: directory).names
        #expect(!names.contains("bulkhead-diags/status.json") && !names.contains("bulkhead-diags/log-1.txt"))
    }

    /// Whatever objects are named, names in the archive are those of this program.
    @Test func hostileNamesAreNoPaths() async throws {
        try await SocketFixture.serve { fixture in
            let body = #"{"endpoints":[{"name":"../../\u001b[2J/etc/x","addresses":["10.9.0.1"]}]}"#
            #expect(try await fixture.call("PUT", "/v1/resolved", body).status == 200)
            let archive = fixture.base.directory.path + "/report.tar.gz"
            let result = try await diags(fixture.path, ["-o", archive, "--log", "../../\u{1b}[2J"])
            #expect(result.status == 0 && !result.complaints.contains("\u{1b}"))
            let (names, text) = try unpack(archive, in: fixture.base.directory)
            #expect(names.allSatisfy { $0.wholeMatch(of: /bulkhead-diags\/[a-z0-9-]+\.(json|jsonl|txt)/) != nil })
            #expect(text.contains("etc/x") && !text.contains("\u{1b}"))
        }
    }

    /// Tokens in a log, annotations, the environment, and files other than logs.
    @Test func secretsAreLeftOut() async throws {
        let pod = AgentFixture.shop.replacing(
            "labels: {app: web}", with: "labels: {app: web}, annotations: {note: hunter2-annotation}")
        try await SocketFixture.serve(pod) { fixture in
            let directory = fixture.base.directory.path
            try write(
                """
                Authorization: Bearer hunter2-bearer-token
                jwt eyJhbGciOiJIUzI1.eyJodW50ZXIyIjoxfQ.c2lnbmF0dXJl end
                updated {"metadata":{"annotations":{"note":"hunter2-log"}}}
                client-key-data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCmh1bnRlcjIK
                Authorization: Basic hunter2-basic-password
                -----BEGIN TEST KEY-----
                hunter2
                -----END TEST KEY-----
                the end

                """, to: directory + "/log")
            try #require(mkdir(directory + "/.kube", 0o700) == 0)
            defer {
                unlink(directory + "/.kube/config")
                rmdir(directory + "/.kube")
            }
            try write("token: hunter2-kubeconfig\n", to: directory + "/.kube/config")
            let archive = directory + "/report.tar.gz"
            let result = try await onOwnThread {
                let line = """
                    HUNTER=hunter2-environment; export HUNTER; \
                    $0 diags --socket \(fixture.path) -o \(archive) --log \(directory)/log --log /proc/self/environ \
                    --log /dev/zero --log \(directory)/.kube/config 2>&1
                    """
                return try CommandLine.runShell(line, program: "bulkheadctl")
            }
            #expect(result.contains("log-1.txt"))
            #expect(
                try content(archive, "log-1.txt") == """
                    Authorization: Bearer (removed)
                    jwt (removed) end
                    (removed)
                    client-key-data: (removed)
                    Authorization: Basic (removed)
                    (removed)
                    the end

                    """)
            let errors = try content(archive, "errors.txt")
            #expect(errors.contains("log-2.txt: /proc/self/environ is not a log\n"))
            #expect(errors.contains("log-4.txt: \(directory)/.kube/config is not a log\n"))
            let text = try unpack(archive, in: fixture.base.directory).text
            #expect(!text.contains("hunter2"))
        }
    }

    /// The end of a log, from the beginning of a line; and no file is larger than the limit.
    @Test func sizesAreBounded() async throws {
        let directory = try TemporaryDirectory()
        let archive = directory.path + "/report.tar.gz"
        let line = String(repeating: "x", count: 99) + "\n"
        try write(String(repeating: line, count: 60_000) + "the end\n", to: directory.path + "/log")
        let result = try await diags(
            directory.path + "/none", ["-o", archive, "--log", directory.path + "/log", "--max-file-size", "8"])
        #expect(result.status == 0)
        let log = try content(archive, "log-1.txt")
        #expect(log.utf8.count <= 4 << 20 && log.utf8.count > (4 << 20) - 100)
        #expect(log.hasPrefix(line) && log.hasSuffix("the end\n"))
        let small = directory.path + "/small.tar.gz"
        let cut = try await diags(
            directory.path + "/none", ["-o", small, "--log", directory.path + "/log", "--max-file-size", "1"])
        #expect(cut.status == 0)
        #expect(try content(small, "log-1.txt").utf8.count == 1 << 20)
        #expect(try content(small, "errors.txt").contains("log-1.txt: only the first 1048576 of "))
    }
}
