// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Foundation
import Testing

/// `report` over files: its forms, its file, and how it exits.
@Suite(.serialized) struct ReportCommandTests {
    private func control(_ arguments: String..., input: String = "") async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: input) }
    }

    private func manifests(_ text: String = AgentFixture.shop) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try write(text, to: directory.path + "/shop.yaml")
        return directory
    }

    @Test func findingsForPeople() async throws {
        let directory = try manifests()
        let report = try await control("report", "-f", directory.path)
        #expect(report.status == 0 && report.complaints.isEmpty, "\(report.complaints)")
        #expect(report.output.hasPrefix("high BR001 Pod shop/redis: It can reach 169.254.169.254 on every port.\n"))
        #expect(report.output.hasSuffix("was not looked for\n2 high, 3 medium\n"), "\(report.output)")
        #expect(report.output.contains("medium BR006 Pod shop/web: No policy decides about traffic to 1 pod"))
        #expect(!report.output.contains("BR006 Pod shop/redis"))
    }

    /// The page goes to the file, whose name says what is wanted; the severity decides how the command exits.
    @Test func aFileByItsName() async throws {
        let directory = try manifests()
        let page = directory.path + "/report.html"
        let report = try await control("report", "-f", directory.path, "-o", page, "--fail-on", "high")
        #expect(report.status == 3 && report.output.isEmpty)
        #expect(report.complaints == "\(page): 2 high, 3 medium\n")
        let html = String(decoding: try CommandLine.bytes(of: page), as: UTF8.self)
        #expect(html.hasPrefix("<!DOCTYPE html>\n") && html.contains("BR001") && html.hasSuffix("</html>\n"))
        for (ending, start) in [("sarif", "{\"$schema\""), ("xml", "<?xml "), ("txt", "high BR001 ")] {
            let file = "\(directory.path)/report.\(ending)"
            #expect(try await control("report", "-f", directory.path, "-o", file).status == 0)
            #expect(String(decoding: try CommandLine.bytes(of: file), as: UTF8.self).hasPrefix(start), "\(ending)")
        }
    }

    /// A file that cannot be written is named in a sentence, and one that exists is replaced as a whole.
    @Test func theFileIsReplacedOrLeft() async throws {
        let directory = try manifests()
        let missing = directory.path + "/none/report.html"
        let lost = try await control("report", "-f", directory.path, "-o", missing)
        #expect(lost.status == 1 && lost.complaints == "error: cannot write \(missing): No such file or directory\n")
        let folder = try await control("report", "-f", directory.path, "-o", directory.path, "--format", "html")
        #expect(folder.complaints == "error: cannot write \(directory.path): Is a directory\n")
        let (page, link) = (directory.path + "/page.html", directory.path + "/link.html")
        try write("old", to: page)
        #expect(chmod(page, 0o600) == 0 && symlink(page, link) == 0)
        #expect(try await control("report", "-f", directory.path, "-o", link).status == 0)
        #expect(String(decoding: try CommandLine.bytes(of: page), as: UTF8.self).hasPrefix("<!DOCTYPE html>\n"))
        var facts = stat()
        #expect(lstat(page, &facts) == 0 && facts.st_mode & 0o777 == 0o600)
        #expect(lstat(link, &facts) == 0 && facts.st_mode & S_IFMT == S_IFLNK)
        let entries = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(Set(entries) == ["shop.yaml", "page.html", "link.html"])
        let stream = try await control("report", "-f", directory.path, "-o", "/dev/stdout", "--format", "html")
        #expect(stream.status == 0 && stream.output.hasSuffix("</html>\n"))
    }

    /// The suggested policies are valid, and close what they are for without anything new being found.
    private static let hasUserNamespaces =
        (try? CommandLine.runShell("unshare -Urm true && echo yes", program: "bulkheadctl")) == "yes\n"

    /// A full disk and a read-only one keep the file that is there, and nothing half of the new one.
    @Test(
        .enabled(if: hasUserNamespaces, "without user namespaces"),
        arguments: [
            ("mount -t tmpfs -o size=16k disk .", "", "No space left on device"),
            ("mount -t tmpfs disk .", "mount -o remount,ro .", "Read-only file system"),
        ])
    func disksThatFail(before: String, after: String, reason: String) async throws {
        let directory = try manifests()
        let line = """
            export program=$0 && mkdir \(directory.path)/disk && cd \(directory.path)/disk && unshare -Urm sh -c '
                \(before) && cd "$PWD" && echo before >r.html || exit
                \(after)
                "$program" report -f \(directory.path)/shop.yaml -o r.html 2>&1
                echo $? $(ls -A) $(cat r.html)'
            """
        let answer = try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
        #expect(answer == "error: cannot write r.html: \(reason)\n1 r.html before\n")
    }

    @Test func suggestionsAreApplied() async throws {
        let directory = try manifests()
        let first = try await control("report", "-f", directory.path, "--format", "json")
        let answer = try JSONDecoder().decode(PostureAnswer.self, from: Data(first.output.utf8))
        #expect(answer.counts["high"] == 2 && answer.findings.count == 5)
        #expect(Set(answer.workloads.map(\.name)) == ["web", "redis"])
        let policies = answer.findings.filter { $0.code == "BR001" }.compactMap(\.policy)
        #expect(policies.count == 2)
        try write(policies.joined(separator: "---\n"), to: directory.path + "/suggested.yaml")
        let second = try await control("report", "-f", directory.path, "--format", "json", "--fail-on", "high")
        #expect(second.status == 0, "\(second.complaints)")
        let left = try JSONDecoder().decode(PostureAnswer.self, from: Data(second.output.utf8))
        #expect(left.findings.map { "\($0.code) \($0.object)" } == ["BR006 Pod shop/web"])
    }

    @Test func whatIsRefused() async throws {
        let directory = try manifests(AgentFixture.shop.replacing("port: 6379", with: "port: 70000"))
        let refused = try await control("report", "-f", directory.path)
        #expect(refused.status == 1 && refused.output.isEmpty && refused.complaints.contains("70000"))
        let ignored = try await control("report", "-f", directory.path, "--ignore-problems")
        #expect(ignored.status == 0 && ignored.output.contains("BR001"))
        #expect(try await control("report", "-f", directory.path, "--format", "pdf").status == 2)
        #expect(try await control("report", "-f", directory.path, "--fail-on", "dire").status == 2)
    }
}
