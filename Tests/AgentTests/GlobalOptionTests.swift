// SPDX-License-Identifier: Apache-2.0
import Agent
import Glibc
import Testing

/// What every command takes, and what shells complete.
@Suite(.serialized) struct GlobalOptionTests {
    private func control(_ arguments: String...) async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }
    }

    private func shell(_ line: String) async throws -> String {
        try await onOwnThread { try CommandLine.runShell("exec 2>&1; \(line)", program: "bulkheadctl") }
    }

    @Test func optionsMayPrecedeTheCommand() async throws {
        try await SocketFixture.serve { fixture in
            let socket = ["--socket", fixture.path]
            for words in [
                socket + ["endpoints"], ["endpoints"] + socket, ["--socket=\(fixture.path)", "endpoints"],
                ["--timeout", "5"] + socket + ["--color", "never", "endpoints"],
                ["--color=never", "endpoints", "--timeout=5"] + socket,
            ] {
                let answer = try await onOwnThread { try CommandLine.run("bulkheadctl", words) }
                #expect(answer.status == 0 && answer.output.contains("redis"), "\(words): \(answer)")
            }
            let both = try await control("--socket", "/tmp/other", "endpoints", "--socket", fixture.path)
            #expect(both.status == 0)
            // Commands that need no daemon accept it too.
            let check = try await control("--socket", "/tmp/other", "check", "-")
            #expect(check.status == 1 && check.output.contains("no objects"), "\(check)")
        }
    }

    @Test func theEnvironmentNamesTheSocket() async throws {
        try await SocketFixture.serve { fixture in
            let named = try await shell("BULKHEAD_SOCKET=\(fixture.path) \"$0\" endpoints")
            #expect(named.contains("redis"))
            let overridden = try await shell("BULKHEAD_SOCKET=\(fixture.path) \"$0\" endpoints --socket /tmp/nothing")
            #expect(overridden.hasPrefix("error: no daemon answers on /tmp/nothing: "))
            let empty = try await shell("BULKHEAD_SOCKET= \"$0\" endpoints --help")
            #expect(empty.contains("/run/bulkhead/bulkheadd.sock"))
        }
    }

    @Test func colors() async throws {
        try await SocketFixture.serve { fixture in
            let green = "\u{1b}[32m"
            func run(_ environment: String, _ more: String) async throws -> Bool {
                try await shell("\(environment) \"$0\" policies --socket \(fixture.path) \(more)").contains(green)
            }
            #expect(try await run("", "") == false)
            #expect(try await run("", "--color auto") == false)
            #expect(try await run("", "--color always"))
            #expect(try await run("NO_COLOR=1", "--color always"))
            #expect(try await run("", "--color never") == false)
            let wrong = try await control("policies", "--color", "green")
            #expect(wrong.status == 2 && wrong.complaints.contains("auto"))
        }
    }

    @Test func listsOfOneNamespaceWithoutTitles() async throws {
        let other = """
            \(AgentFixture.shop)
            ---
            apiVersion: v1
            kind: Namespace
            metadata: {name: other}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: mail, namespace: other}
            spec: {nodeName: node, containers: [{name: c, image: i}]}
            status: {phase: Running, podIPs: [{ip: 10.1.0.3}]}
            """
        try await SocketFixture.serve(other) { fixture in
            let rules = fixture.kernel.policy.rules.keys
            fixture.kernel.state.withLock { state in
                for rule in rules { state.counters[rule] = .init(packets: 5, bytes: 500) }
            }
            func run(_ words: String...) async throws -> [Substring] {
                try await onOwnThread {
                    try CommandLine.run("bulkheadctl", words + ["--socket", fixture.path, "--no-headers"]).output
                        .split(separator: "\n")
                }
            }
            let mail = try await run("endpoints", "-n", "other")
            #expect(mail.count == 1 && mail[0].hasPrefix("other  mail  10.1.0.3"))
            #expect(try await run("endpoints").count == 3)
            #expect(try await run("policies", "-n", "shop").count == 1)
            #expect(try await run("policies", "--namespace", "other").isEmpty)
            let counters = try await run("counters", "-n", "shop")
            #expect(!counters.isEmpty && counters.allSatisfy { $0.contains("shop/redis") })
            #expect(try await run("counters", "-n", "other").isEmpty)
            #expect(try await run("counters").contains { $0.hasPrefix("spoofed source address") })
            let json = try await run("endpoints", "-n", "other", "-o", "json").joined()
            #expect(json.contains("mail") && !json.contains("redis"))
        }
    }

    @Test(arguments: [
        ["--socket", "/tmp/x", "stauts"], ["--socket=/tmp/x", "stauts"],
        ["--color", "never", "--timeout", "3", "stauts"],
    ])
    func aMisspeltCommandIsSuggestedAfterOptions(words: [String]) async throws {
        let result = try await onOwnThread { try CommandLine.run("bulkheadctl", words) }
        #expect(result.status == 2)
        #expect(result.complaints.hasPrefix("error: unknown command 'stauts'; did you mean 'status'?\n"))
    }

    /// One style, whatever finds the error: the parser, the command or the daemon.
    @Test(arguments: [
        (["status", "extra"], "error: unexpected argument 'extra'\n"),
        (["status", "--outptu", "json"], "error: unknown option '--outptu'; did you mean '--output'?\n"),
        (["check"], "error: missing expected argument '<path> ...'\n"),
        (
            ["status", "--output", "x"],
            "error: the value 'x' is invalid for '--output <output>'; use 'text', 'wide', 'json' or 'yaml'\n"
        ),
        (["frobnicate"], "error: unknown command 'frobnicate'; 'bulkheadctl help' lists all commands\n"),
    ])
    func errorsHaveOneStyle(words: [String], message: String) async throws {
        let answer = try await onOwnThread { try CommandLine.run("bulkheadctl", words) }
        #expect(answer.status == 2 && answer.complaints.hasPrefix(message), "\(answer.complaints)")
    }

    @Test func aPodOfAnotherNamespaceIsExplained() async throws {
        try await SocketFixture.serve { fixture in
            let answer = try await control("verdict", "--socket", fixture.path, "mailserver", "shop/redis", "80")
            #expect(answer.status == 1)
            #expect(
                answer.complaints.hasSuffix(
                    "; for a pod of another namespace write NAMESPACE/mailserver, or name it with -n\n"),
                "\(answer.complaints)")
            let explained = try await control("explain", "--socket", fixture.path, "mailserver", "shop/redis", "80")
            #expect(explained.complaints == answer.complaints, "\(explained.complaints)")
            let near = try await control("verdict", "--socket", fixture.path, "shop/web", "redis", "80")
            #expect(near.complaints.hasSuffix("; did you mean shop/redis?\n"), "\(near.complaints)")
        }
    }

    /// What the completion scripts ask: the words typed so far, and where the cursor is.
    @Test func namesAreCompleted() async throws {
        try await SocketFixture.serve { fixture in
            func complete(_ command: String, _ argument: String, _ words: String...) async throws -> [Substring] {
                let typed = ["bulkheadctl", command, "--socket", fixture.path] + words
                let request = [
                    "---completion", command, "--", argument, "\(typed.count - 1)", "\(words.last?.count ?? 0)",
                ]
                return try await onOwnThread {
                    let answer = try CommandLine.run("bulkheadctl", request + typed)
                    try #require(answer.status == 0 && answer.complaints.isEmpty, "\(answer)")
                    return answer.output.split(separator: "\n")
                }
            }
            #expect(try await complete("verdict", "positional@0", "") == ["shop/redis", "shop/web"])
            #expect(try await complete("verdict", "positional@1", "shop/w") == ["shop/web"])
            #expect(try await complete("verdict", "positional@0", "-n", "shop", "we") == ["web"])
            #expect(try await complete("endpoints", "--namespace", "-n", "") == ["shop"])
            #expect(try await complete("explain", "positional@1", "shop/r") == ["shop/redis"])
            #expect(try await complete("policies", "positional@0", "") == ["shop/redis"])
            #expect(try await complete("flows", "--policy", "--policy", "") == ["shop/redis"])
            #expect(try await complete("unused", "--namespace", "-n", "") == ["shop"])
            let pushed = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: pushed, namespace: shop}
                spec: {podSelector: {}}
                """
            _ = try await fixture.agent.apply(AgentFixture.objects(pushed))
            #expect(try await complete("delete", "positional@0", "-n", "shop", "net") == ["networkpolicy/pushed"])
        }
    }

    /// Without a daemon, or with one that hangs, the line that is being typed stays clean.
    @Test func completionFailsSilently() async throws {
        let directory = try TemporaryDirectory()
        let silent = try SilentSocket(directory.path + "/silent")
        defer { silent.close() }
        for path in ["/tmp/bulkhead-nobody.sock", silent.path] {
            let start = ContinuousClock.now
            let answer = try await control(
                "---completion", "verdict", "--", "positional@0", "4", "0", "bulkheadctl", "verdict", "--socket", path,
                "")
            #expect(answer.status == 0 && answer.complaints.isEmpty)
            #expect(answer.output.split(separator: "\n").isEmpty)
            #expect(ContinuousClock.now - start < .seconds(30))
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func scriptsAskForNames(shell: String) async throws {
        let script = try await control("completions", shell)
        #expect(script.output.contains("---completion") && script.output.contains("no-headers"))
        #expect(
            script.output.contains("forwarded") && script.output.contains("sctp") && script.output.contains("spoofed"))
    }
}
