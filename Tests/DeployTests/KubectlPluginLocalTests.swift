// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import Testing

/// Commands of `kubectl bulkhead` about the whole cluster or about files: a `bulkheadctl` of this machine runs them.
@Suite struct KubectlPluginLocalTests {
    /// A `kubectl`, and a `bulkheadctl` that records how it is called.
    private func fakes() throws -> FakeKubectl {
        let kubectl = try FakeKubectl()
        try kubectl.set(
            "bulkheadctl",
            #"""
            #!/bin/sh
            line=; for word; do line="$line[$word]"; done
            printf '%s\n' "$line" >>"$FAKE/local"
            while [ $# -gt 0 ]; do [ "$1" != --flows ] || [ "$2" = - ] || cat "$2"; shift; done
            exit 3

            """#)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: kubectl.folder.appending(path: "bulkheadctl").path)
        return kubectl
    }

    private func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

    /// Exit codes are bulkheadctl's own; nothing runs on a node.
    @Test(arguments: [
        ("reach --kubeconfig /k --to shop/redis:6379", "reach --to shop/redis:6379 --kubeconfig /k -n team"),
        ("reach --kubeconfig=/k --context c", "reach --kubeconfig /k --context c -n team"),
        ("-n shop prove --kubeconfig /k --deny web redis", "prove --deny web redis --kubeconfig /k -n shop"),
        ("prove -f dir --deny a/b c/d", "prove -f dir --deny a/b c/d"), ("reach -n shop -fdir", "reach -fdir -n shop"),
        ("report --kubeconfig /k -o report.html", "report -o report.html --kubeconfig /k"),
        ("report --filename=dir --fail-on high", "report --filename=dir --fail-on high"),
        ("lint policies", "lint policies"), ("check policies", "check policies"), ("equal old new", "equal old new"),
        ("test tests.yaml", "test tests.yaml"), ("test --kubeconfig /k t.yaml", "test t.yaml --kubeconfig /k"),
        ("preview --kubeconfig /k -f new.yaml", "preview -f new.yaml --kubeconfig /k -n team"),
        ("preview --manifests dir -f new.yaml", "preview --manifests dir -f new.yaml"), ("preview a b", "preview a b"),
        ("suggest shop --kubeconfig /k --flows f", "suggest shop --flows f --kubeconfig /k"),
        ("reach --help", "reach --help"), ("suggest -h", "suggest -h"),
    ])
    func localCommands(call: String, command: String) throws {
        let kubectl = try fakes()
        try kubectl.set("f", "")
        let result = try kubectl.run(words(call))
        #expect(result.status == 3, "\(result.output)")
        #expect(kubectl.text(of: "local") == words(command).map { "[\($0)]" }.joined() + "\n")
        #expect(kubectl.commands.isEmpty)
    }

    /// The kubeconfig is the one that kubectl would use.
    @Test func theKubeconfigOfTheEnvironment() throws {
        let kubectl = try fakes()
        func run(_ environment: String) throws -> (Int32, String) {
            let process = try NetProcess(
                ["env", environment, "HOME=/h/me", "PATH=\(kubectl.folder.path):/usr/bin:/bin"]
                    + ["FAKE=\(kubectl.folder.path)", FakeKubectl.plugin.path, "report"], keepsErrors: true)
            return (try process.wait(seconds: 60), process.output)
        }
        #expect(try run("KUBECONFIG=/a b").0 == 3)
        #expect(try run("KUBECONFIG=").0 == 3)
        let several = try run("KUBECONFIG=/a:/b")
        #expect(several.0 == 2 && several.1.contains("name one with --kubeconfig"), "\(several)")
        let lines = kubectl.text(of: "local").split(separator: "\n")
        #expect(lines == ["[report][--kubeconfig][/a b]", "[report][--kubeconfig][/h/me/.kube/config]"])
    }

    /// Flows come from all nodes, or from one; without an answer of each, nothing is suggested.
    @Test func suggestionsFromTheFlowsOfNodes() throws {
        let kubectl = try fakes()
        let all = try kubectl.run(words("suggest --since 10m shop --kubeconfig /k --enforce"))
        #expect(all.status == 3, "\(all.output)")
        let asked = kubectl.commands.map { $0.suffix(50) }.sorted()
        let question = "[bulkheadctl][flows][-o][json][--since][10m]"
        #expect(asked.count == 2 && asked.allSatisfy { $0.hasSuffix(question) }, "\(asked)")
        #expect(all.output.contains(#""node1""#) && all.output.contains(#""node2""#), "\(all.output)")
        let call = kubectl.text(of: "local")
        #expect(call.hasPrefix("[suggest][shop][--enforce][--kubeconfig][/k][--flows]["), "\(call)")
        let one = try kubectl.run(words("suggest shop --kubeconfig /k --node node2"))
        #expect(one.status == 3 && kubectl.commands.count == 3)
        #expect(kubectl.commands.last?.contains("[bh-2][--][bulkheadctl][flows][-o][json][--since][8760h]") == true)
        let dead = try fakes()
        try dead.set("agents", "node1 bh-1 Running \nnode2 bh-dead Running \n")
        let failed = try dead.run(words("suggest shop --kubeconfig /k"))
        #expect(failed.status == 1 && failed.output.contains("flows of the nodes cannot be read"), "\(failed)")
        #expect(dead.text(of: "local").isEmpty)
        for folder in [kubectl.folder, dead.folder] {
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(!left.contains { $0.hasPrefix("kubectl-bulkhead.") }, "\(left)")
        }
    }

    @Test(arguments: [
        ("reach --node node1", "leave out --node and --all"), ("--all report", "leave out --node and --all"),
        ("reach --as me", "leave out '--as'"), ("report --token=secret", "leave out '--token'"),
        ("lint --kubeconfig /k x", "'lint' reads files alone"),
        ("suggest shop --flows f --since 1h", "excludes --flows"),
    ])
    func errorsOfTheCommandLine(call: String, message: String) throws {
        let kubectl = try fakes()
        let result = try kubectl.run(words(call))
        #expect(result.status == 2 && result.output.contains(message), "\(result)")
        #expect(kubectl.commands.isEmpty && kubectl.text(of: "local").isEmpty)
    }

    /// Without bulkheadctl on this machine.
    @Test func aMissingProgramIsNamed() throws {
        let kubectl = try FakeKubectl()
        let tools = kubectl.folder.appending(path: "tools").path
        try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: true)
        for tool in ["sh", "tr", "dirname", "readlink"] {
            let (link, program) = ("\(tools)/\(tool)", "/usr/bin/\(tool)")
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: program)
        }
        for (call, hint) in [("reach", ""), ("preview -f x", ", or name a node with --node")] {
            let process = try NetProcess(
                ["/usr/bin/env", "PATH=\(tools)", FakeKubectl.plugin.path] + words(call), keepsErrors: true)
            let status = try process.wait(seconds: 60)
            #expect(status == 1 && process.output.contains("install bulkheadctl in PATH\(hint)\n"), "\(process.output)")
        }
    }
}
