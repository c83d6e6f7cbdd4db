// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import Foundation
import NetworkKit
import Testing

/// The commands that change something or say what would. One test at a time: each waits for answers.
@Suite(.serialized) struct ChangeCommandTests {
    private func control(_ fixture: SocketFixture, _ arguments: String..., input: String = "") async throws
        -> CommandLine
    {
        let command = arguments.prefix(arguments.first == "resolved" ? 2 : 1)
        let all = command + ["--socket", fixture.path] + arguments.dropFirst(command.count)
        return try await onOwnThread { try CommandLine.run("bulkheadctl", Array(all), input: input) }
    }

    private static let empty = "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}"

    @Test func versionsOfClientAndDaemon() async throws {
        try await SocketFixture.serve { fixture in
            let text = try await control(fixture, "version")
            #expect(text.status == 0)
            let lines = text.output.split(separator: "\n")
            #expect(lines.map { $0.prefix { $0 != " " } } == ["CLIENT", "daemon", "node", "kernel", "datapath"])
            #expect(lines[1].contains("\(BuildVersion.text), commit \(BuildVersion.commit), "))
            #expect(lines[4].hasSuffix("fake, because for tests"))
            let answer = try await fixture.call("GET", "/v1/version").decode(VersionAnswer.self)
            #expect(answer.node == "node" && answer.commit == BuildVersion.commit && !answer.commit.isEmpty)
            #expect(lines[3].hasSuffix("Linux \(answer.kernel)"))
            let json = try await control(fixture, "version", "-o", "json")
            #expect(json.output.contains(#""client" : {"#) && json.output.contains(#""datapath" : "fake""#))
        }
        let alone = try await onOwnThread {
            try CommandLine.run("bulkheadctl", ["version", "--socket", "/nonexistent/s"])
        }
        #expect(alone.status == 1 && alone.output.hasPrefix("CLIENT") && alone.complaints.contains("no daemon answers"))
        let client = try await onOwnThread {
            try CommandLine.run("bulkheadctl", ["version", "--client", "--socket", "/nonexistent/s"])
        }
        #expect(client.status == 0 && client.complaints.isEmpty)
    }

    @Test func resyncSaysWhatItRepaired() async throws {
        try await SocketFixture.serve { fixture in
            var repaired = CommandLine(status: -1, output: "", complaints: "")
            // The agent's own look, each half second, may be the first to find what is gone.
            for _ in 0..<20 where !repaired.output.hasPrefix("restored") {
                fixture.kernel.state.withLock { $0.repair = RepairReport(repaired: ["link forward4"]) }
                fixture.kernel.changeByOthers(2)
                repaired = try await control(fixture, "resync")
            }
            #expect(repaired.status == 0)
            #expect(
                repaired.output == """
                    restored: link forward4
                    repaired: 2 changes by others in the tables
                    3 words written

                    """)
            let again = try await fixture.call("POST", "/v1/resync").decode(ResyncAnswer.self)
            #expect(again.restored.isEmpty && again.changes == 0)
            #expect(await fixture.agent.status().datapath.repaired >= 3)
            fixture.kernel.state.withLock { $0.repair = RepairReport(failure: FakeKernel.gone) }
            let failed = try await control(fixture, "resync")
            #expect(failed.status == 1 && failed.complaints.contains("the fake table"))
            fixture.kernel.state.withLock { $0.repair = RepairReport() }
        }
    }

    @Test func resolvedPolicy() async throws {
        try await SocketFixture.serve { fixture in
            let policy = """
                {"endpoints": [{"name": "db", "addresses": ["10.9.0.1"], "ingress": {"default": "deny"}}]}
                """
            let put = try await control(fixture, "resolved", "put", "-", input: policy)
            #expect(put.status == 0 && put.output == "1 endpoint with resolved policy\n")
            let got = try await control(fixture, "resolved", "get")
            #expect(got.output.contains(#""default" : "deny""#))
            // What get prints, put reads.
            let file = fixture.base.directory.path + "/resolved.json"
            try write(got.output, to: file)
            #expect(try await control(fixture, "resolved", "put", file).status == 0)
            let wrong = try await control(fixture, "resolved", "put", "-", input: #"{"endpoints": [{"name": "x"}]}"#)
            #expect(wrong.status == 1)
            #expect(wrong.complaints.hasPrefix("error: standard input is invalid; nothing was changed\n"))
            #expect(try await control(fixture, "resolved", "delete").output == "resolved policy deleted\n")
            #expect(await fixture.agent.resolved().endpoints.isEmpty)
        }
    }

    @Test func objectsAreDeletedByName() async throws {
        try await SocketFixture.serve(Self.empty) { fixture in
            func delete(_ arguments: String...) async throws -> CommandLine {
                #expect(try await control(fixture, "apply", "-f", "-", input: AgentFixture.shop).status == 0)
                let all = ["delete", "--socket", fixture.path] + arguments
                return try await onOwnThread { try CommandLine.run("bulkheadctl", all) }
            }
            let deleted = "NetworkPolicy shop/redis deleted\n"
            #expect(try await delete("networkpolicy/redis", "-n", "shop").output == deleted)
            #expect(try await delete("netpol/shop/redis").output == deleted)
            #expect(try await delete("netpol/shop/redis", "-n", "shop").output == deleted)
            #expect(try await delete("namespace/shop").output == "Namespace shop deleted\n")
            let unknown = try await delete("netpol/redis")
            #expect(unknown.complaints.contains("unknown objects: NetworkPolicy default/redis"))
            for wrong in [["netpol/a/b/c"], ["netpol//b"], ["netpol/"], ["ns/a/b"], ["netpol/a/b", "-n", "c"]] {
                let all = ["delete", "--socket", fixture.path] + wrong
                #expect(try await onOwnThread { try CommandLine.run("bulkheadctl", all) }.status == 2, "\(wrong)")
            }
        }
    }

    /// All files below a directory, whatever their order; all or none.
    @Test func aDirectoryIsApplied() async throws {
        try await SocketFixture.serve(Self.empty) { fixture in
            let directory = try TemporaryDirectory()
            let parts = AgentFixture.shop.components(separatedBy: "\n---\n")
            // The policy and the pods before their namespace.
            try write(parts[3], to: directory.path + "/a.yaml")
            try NetProcess.run(["mkdir", "-p", directory.path + "/b/c"])
            try write(parts[1] + "\n---\n" + parts[2], to: directory.path + "/b/c/pods.yml")
            try write(parts[0], to: directory.path + "/z.yaml")
            let extra = try TemporaryDirectory()
            try write("apiVersion: v1\nkind: Namespace\nmetadata: {name: more}", to: extra.path + "/x.json.yaml")
            let applied = try await control(
                fixture, "apply", "-f", directory.path, "-f", extra.path + "/x.json.yaml")
            #expect(applied.status == 0)
            #expect(applied.output.split(separator: "\n").count == 5)
            #expect(
                try await control(fixture, "verdict", "--exit-code", "shop/web", "shop/redis", "80").status == 3)
            try write("kind: x", to: directory.path + "/b/bad.yaml")
            let refused = try await control(fixture, "apply", "-f", directory.path)
            #expect(refused.status == 1 && refused.complaints.contains("/b/bad.yaml"))
            let empty = try TemporaryDirectory()
            #expect(try await control(fixture, "apply", "-f", empty.path).status == 1)
        }
    }
}
