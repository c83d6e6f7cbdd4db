// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import Testing

/// `kubectl bulkhead --all`. One test at a time: they count processes and wait for them.
@Suite(.serialized) struct KubectlPluginAllTests {
    private func run(
        _ kubectl: FakeKubectl, _ words: String, keepsErrors: Bool = true
    ) throws -> (status: Int32, output: String) {
        try kubectl.run(words.split(separator: " ").map(String.init), keepsErrors: keepsErrors)
    }

    @Test func answersAreMerged() throws {
        let kubectl = try FakeKubectl()
        let text = try run(kubectl, "--all status")
        #expect(text.status == 0)
        #expect(text.output == "node1: it says bh-1\nnode1: and more\nnode2: it says bh-2\nnode2: and more\n")
        let json = try run(kubectl, "--all status -o json")
        let document = "{\n  \"node\" : \"NODE\",\n  \"a\" : {\n    \"b\" : 1\n  }\n}\n"
        #expect(json.output == ["node1", "node2"].map { document.replacing("NODE", with: $0) }.joined())
        let lines = try run(kubectl, "--all events -f -o json")
        #expect(lines.status == 0)
        #expect(
            Set(lines.output.split(separator: "\n")) == [
                #"{"node":"node1","n":1}"#, #"{"node":"node1","n":2}"#, #"{"node":"node2","n":1}"#,
                #"{"node":"node2","n":2}"#,
            ])
        let yaml = try run(kubectl, "--all status -o yaml")
        #expect(yaml.output.hasPrefix("---\nnode: node1\nit says bh-1\nand more\n---\nnode: node2\n"))
    }

    /// The exit code is the worst: an answer of 3, and 1 where there is no answer.
    @Test func theWorstCodeCounts() throws {
        let kubectl = try FakeKubectl(agents: ["node1 bh-1 Running ", "node2 bh-deny Running "])
        let denied = try run(kubectl, "--all verdict 10.0.0.1 10.0.0.2 80")
        #expect(denied.status == 3)
        #expect(denied.output == "node1: it says bh-1\nnode1: and more\nnode2: {\"verdict\":\"deny\"}\n")
        try kubectl.set("agents", "node1 bh-deny Running \nnode2 bh-dead Running \nnode3 bh-1 Running \n")
        let dead = try run(kubectl, "--all verdict 10.0.0.1 10.0.0.2 80")
        #expect(dead.status == 1)
        #expect(dead.output.contains("node2: error: unable to upgrade connection\nnode2: no answer from this node\n"))
        #expect(dead.output.contains("node1: {\"verdict\":\"deny\"}\n"))
        #expect(dead.output.contains("node3: it says bh-1\n"))
    }

    /// Nodes without a pod are named, if the user may list nodes.
    @Test func nodesWithoutAPodAreNamed() throws {
        let kubectl = try FakeKubectl(nodes: ["node1", "node2", "node1.x", "node3"])
        let result = try run(kubectl, "--all status")
        #expect(result.status == 1)
        #expect(result.output.contains("node3: no pod of Bulkhead runs on this node\n"))
        #expect(result.output.contains("node1.x: no pod of Bulkhead"))
        // Nodes that were taken out are none of them.
        let asked = try #require(kubectl.calls.first { $0.contains("[get][nodes]") })
        #expect(asked.contains("[-l][kubernetes.io/os=linux,bulkhead.dev/disabled!=true]"))
        #expect(!result.output.contains("taken out"))
        try kubectl.set("disabled", "node8\nnode9\n")
        try kubectl.set("nodes", "node1\n")
        let without = try run(kubectl, "--all status")
        #expect(without.status == 0)
        let note = "note: these nodes were taken out by the label bulkhead.dev/disabled: node8 node9\n"
        #expect(without.output.contains(note))
        try kubectl.set("forbidden", "")
        let allowed = try run(kubectl, "--all status")
        #expect(allowed.status == 0 && allowed.output.contains("note: nodes cannot be listed"))
    }

    @Test func aNodeThatHangsIsLeftBehind() throws {
        let kubectl = try FakeKubectl(agents: ["node1 bh-hang Running ", "node2 bh-2 Running "])
        let result = try run(kubectl, "--all --node-timeout 1 status")
        #expect(result.status == 1 && result.output.contains("node1: no answer within 1 s\n"))
        #expect(result.output.contains("node2: it says bh-2\n"))
        let process = try #require(pid_t(kubectl.text(of: "hang").trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(kill(process, 0) != 0, "nothing is left running")
    }

    @Test func eightNodesAreAskedAtOnce() throws {
        let numbers = (1...20).map { $0 < 10 ? "0\($0)" : "\($0)" }
        let kubectl = try FakeKubectl(
            agents: numbers.map { "node\($0) bh\($0)-slow Running " }, nodes: numbers.map { "node\($0)" })
        let result = try run(kubectl, "--all status")
        #expect(result.status == 0)
        #expect(result.output.split(separator: "\n").count == 40)
        let counts = kubectl.text(of: "counts").split(separator: "\n").compactMap { Int($0) }
        #expect(counts.count == 20 && counts.allSatisfy { $0 <= 8 } && (counts.max() ?? 0) > 1, "\(counts)")
    }

    /// A user who interrupts ends kubectl on all nodes, and no temporary file is left.
    @Test(arguments: [SIGINT, SIGTERM]) func anInterruptEndsAll(_ number: Int32) throws {
        let kubectl = try FakeKubectl()
        let process = try kubectl.start(["--all", "events", "-f", "-o", "json"], input: "", follow: true)
        try NetClock.wait("four events", seconds: 30) { process.output.split(separator: "\n").count == 4 }
        #expect(try process.stop(number, seconds: 30) == 130)
        let streams = kubectl.text(of: "streams").split(separator: "\n").compactMap { pid_t($0) }
        #expect(streams.count == 2)
        for stream in streams { #expect(kill(stream, 0) != 0) }
        let left = try FileManager.default.contentsOfDirectory(atPath: kubectl.folder.path)
        #expect(!left.contains { $0.hasPrefix("kubectl-bulkhead") })
    }
}
