// SPDX-License-Identifier: Apache-2.0
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct OfflineCommandTests {
    private func control(_ arguments: String..., input: String = "") async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: input) }
    }

    private func manifests(_ text: String = AgentFixture.shop) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try write(text, to: directory.path + "/shop.yaml")
        return directory
    }

    private static let bad = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: bad, namespace: shop}
        spec: {podSelector: {}, policyTypes: [Ingres]}
        """

    @Test func aVerdictIsExplained() async throws {
        let directory = try manifests()
        let allow = try await control("verdict", "--manifests", directory.path, "shop/web", "shop/redis", "6379/tcp")
        #expect(allow.status == 0)
        #expect(
            allow.output == """
                allow  10.1.0.1 -> 10.1.0.2 6379/TCP
                  side     verdict  pod         reason
                  egress   allow    shop/web    allowed: no policy selects shop/web for egress
                  ingress  allow    shop/redis  allowed by shop/redis rule 1

                """)
        let deny = try await control("verdict", "--manifests", directory.path, "shop/web", "10.1.0.2", "80")
        #expect(deny.status == 0)
        #expect(deny.output.hasPrefix("deny  10.1.0.1 -> 10.1.0.2 80/TCP\n"))
        let asked = try await control(
            "verdict", "--manifests", directory.path, "--exit-code", "shop/web", "shop/redis", "icmp")
        #expect(asked.status == 3)
        let json = try await control(
            "verdict", "--manifests", directory.path, "-o", "json", "shop/web", "shop/redis", "/47")
        #expect(json.output.contains(#""verdict" : "deny""#))
    }

    @Test(arguments: [
        ["verdict"], ["verdict", "a", "b"], ["delete"], ["delete", "redis"], ["delete", "netpool/redis"],
        ["verdict", "shop/web", "shop/redis", "tcp"], ["verdict", "shop/web", "shop/redis", "80/icmp"],
        ["verdict", "shop/web", "shop/redis", "80/tpc"], ["verdict", "shop/web", "shop/redis", "65536"],
        ["verdict", "--queries", "x"], ["nothing"], ["status", "--frobnicate"], ["apply"], ["check"],
        ["events", "--count", "0"], ["events", "--kind", "lost"],
    ])
    func wrongUsageIsCode2(_ arguments: [String]) async throws {
        let result = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.complaints.hasPrefix("error: "))
    }

    /// What to write instead.
    @Test(arguments: [
        (["10.244.0.300", "b", "80"], "four numbers from 0 to 255"),
        (["a", "10.244.0.0/24", "80"], "a range of addresses"),
        (["a", "fd00::/64", "80"], "a range of addresses"), (["a", "fd00::x", "80"], "not an IPv6 address"),
        (["a", "10.0.0.1:80", "80"], "write the address alone"), (["svc/redis", "b", "80"], "is a Service"),
        (["shop/svc/redis", "b", "80"], "is a Service"), (["redis.shop.svc.cluster.local", "b", "80"], "is a Service"),
        (["a", "x/y/z", "80"], "neither namespace/pod nor an address"), (["a", "b", "tcp/6379"], "write 6379/tcp"),
        (["a", "b", "6379:tcp"], "write 6379/tcp"), (["a", "b", "tcp:6379"], "write 6379/tcp"),
        (["a", "b", "6379/tpc"], "unknown protocol 'tpc': use tcp, udp, sctp, icmp or a number from 0 to 255"),
        (["a", "b", "redis"], "port names are not resolved"), (["a", "b", "1-5/tcp"], "a range of ports"),
        (["a", "b", "70000"], "ports are from 0 to 65535"), (["a", "b", "udp"], "udp needs a port, as in 80/udp"),
        (["a", "b", "8/icmp"], "write 'icmp' alone"),
    ])
    func wrongQuestions(_ question: [String], _ advice: String) async throws {
        let result = try await onOwnThread { try CommandLine.run("bulkheadctl", ["verdict"] + question) }
        #expect(result.status == 2 && result.complaints.contains(advice), "\(result.complaints)")
    }

    @Test(arguments: [("stauts", "status"), ("endpoint", "endpoints"), ("verdicts", "verdict"), ("aply", "apply")])
    func aMisspeltCommandIsSuggested(word: String, meant: String) async throws {
        let result = try await onOwnThread { try CommandLine.run("bulkheadctl", [word, "-o", "json"]) }
        #expect(result.status == 2)
        #expect(result.complaints.hasPrefix("error: unknown command '\(word)'; did you mean '\(meant)'?\n"))
    }

    @Test func helpAndVersionAreCode0() async throws {
        for arguments in [["--help"], ["verdict", "--help"], ["--version"], ["completions", "bash"]] {
            let result = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }
            #expect(result.status == 0)
            #expect(!result.output.isEmpty && result.complaints.isEmpty)
        }
    }

    @Test func aQuestionWithoutAnAnswerIsCode1() async throws {
        let directory = try manifests()
        let result = try await control("verdict", "--manifests", directory.path, "shop/nobody", "shop/redis", "80")
        #expect(result.status == 1)
        #expect(result.complaints == "error: no pod shop/nobody in the manifests\n")
    }

    @Test func aRefusedDocumentStopsTheVerdictUnlessIgnored() async throws {
        let directory = try manifests(AgentFixture.shop + "\n---\n" + Self.bad)
        let stopped = try await control("verdict", "--manifests", directory.path, "shop/web", "shop/redis", "6379")
        #expect(stopped.status == 1)
        #expect(stopped.output.isEmpty)
        #expect(stopped.complaints.contains("spec.policyTypes[0]"))
        let ignored = try await control(
            "verdict", "--manifests", directory.path, "--ignore-problems", "shop/web", "shop/redis", "6379")
        #expect(ignored.status == 0)
        #expect(ignored.output.hasPrefix("allow"))
        #expect(ignored.complaints.contains("spec.policyTypes[0]"))
    }

    @Test func manyQuestionsAreAnsweredInOrder() async throws {
        let directory = try manifests()
        let questions = """
            {"from":"shop/web","to":"shop/redis","protocol":"TCP","port":6379}
            {"to":"shop\\/redis", "from": "shop/web","port":80}
            {"from":"shop/web","to":"shop/redis","protocol":"icmp"}
            {"from":"shop/web","to":"shop/redis","protocol":47,"port":null}

            {"from":"10.1.0.1","to":"10.1.0.2","protocol":"6","port":6379}
            {"from":"shop/web","to":"shop/redis","protocol":"tcp"}
            {"from":"shop/web","to":"shop/redis","prot":"tcp"}
            {"from":"shop/web","to":"shop/redis","port":6379}x
            {"from":"shop/nobody","to":"shop/redis","port":1}
            {"from":"shop/web","to":"shop/redis","port":6379.5}
            {"from":"shop/web","from":"shop/redis","port":1}
            {
            """
        let result = try await control(
            "verdict", "--manifests", directory.path, "--queries", "-", input: questions)
        let lines = result.output.split(separator: "\n")
        let verdicts = lines.map { line -> Substring in
            line.hasPrefix(#"{"verdict":""#) ? line.dropFirst(12).prefix { $0 != "\"" } : "error"
        }
        #expect(
            verdicts == [
                "allow", "deny", "deny", "deny", "allow", "error", "error", "error", "error", "error", "error", "error",
            ])
        #expect(result.status == 1)
        #expect(result.complaints == "7 lines could not be answered\n")
        #expect(
            lines[0]
                == #"{"verdict":"allow","flow":"10.1.0.1 -> 10.1.0.2 6379/TCP","egress":{"verdict":"allow","kind":"noPolicy","reason":"allowed: no policy selects shop/web for egress","endpoint":"shop/web","rule":{"kind":"noPolicy","direction":"egress"}},"ingress":{"verdict":"allow","kind":"rule","reason":"allowed by shop/redis rule 1","endpoint":"shop/redis","rule":{"kind":"rule","direction":"ingress","policy":{"kind":"NetworkPolicy","namespace":"shop","name":"redis"},"index":0}}}"#
        )
        #expect(lines[5] == #"{"error":"TCP needs a destination port"}"#)
    }

    @Test func manyQuestionsEndWithCode3WhenAsked() async throws {
        let directory = try manifests()
        func ask(_ port: Int, _ more: String...) async throws -> Int32 {
            let question = #"{"from":"shop/web","to":"shop/redis","port":\#(port)}"#
            let arguments = ["verdict", "--manifests", directory.path, "--queries", "-"] + more
            return try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: question).status }
        }
        #expect(try await ask(80) == 0)
        #expect(try await ask(80, "--exit-code") == 3)
        #expect(try await ask(6379, "--exit-code") == 0)
    }

    @Test func checkTellsWhatIsWrong() async throws {
        let good = try manifests()
        let fine = try await control("check", good.path)
        #expect(fine.status == 0)
        #expect(fine.output == "1 file, 4 documents: 1 Namespace, 1 NetworkPolicy, 2 Pod, no problems\n")
        let directory = try manifests(AgentFixture.shop + "\n---\n" + Self.bad)
        let wrong = try await control("check", directory.path)
        #expect(wrong.status == 1)
        #expect(wrong.output.contains("\(directory.path)/shop.yaml:29: document 5: spec.policyTypes[0]: "))
        let json = try await control("check", "-o", "json", directory.path)
        #expect(json.status == 1 && json.output.contains(#""field" : "spec.policyTypes[0]""#))
    }

    private static let service = """

        ---
        apiVersion: v1
        kind: Service
        metadata: {name: redis, namespace: shop}
        spec: {clusterIP: 10.96.0.10, selector: {app: redis}, ports: [{port: 80, targetPort: 6379}, {port: 81}]}
        """

    /// A Service's packets are judged at its backends.
    @Test(arguments: [
        (
            "svc/redis", "80", 0, "allow  10.1.0.1 -> 10.1.0.2 6379/TCP\n",
            "note: Service shop/redis has 1 backend pod\n"
        ),
        ("shop/svc/redis", "80", 0, "allow", "1 backend pod"), ("redis.shop.svc", "81", 3, "deny", "10.1.0.2 81/TCP"),
        ("10.96.0.10", "80", 0, "allow", "Service shop/redis"), ("10.96.0.10", "82", 1, "", "it has 80/tcp, 81/tcp"),
        ("svc/nobody", "80", 1, "", "no Service shop/nobody in the manifests"),
    ])
    func aServicesBackendsAreAsked(to: String, port: String, status: Int32, start: String, text: String) async throws {
        let directory = try manifests(AgentFixture.shop + Self.service)
        let answer = try await control(
            "verdict", "--manifests", directory.path, "--exit-code", "-n", "shop", "web", to, port)
        #expect(answer.status == status && answer.output.hasPrefix(start))
        #expect((answer.output + answer.complaints).contains(text), "\(answer)")
    }

    /// As a pipeline of `kustomize build` and `check -` has it, or a shell's `<(…)`.
    @Test(arguments: ["-", "/dev/stdin", "/proc/self/fd/0"])
    func checkReadsWhatIsPiped(path: String) async throws {
        let fine = try await control("check", path, input: AgentFixture.policy)
        #expect(fine.status == 0 && fine.output == "1 file, 1 document: 1 NetworkPolicy, no problems\n")
        let wrong = try await control("check", path, input: Self.bad)
        let name = path == "-" ? "standard input" : path
        #expect(wrong.status == 1 && wrong.output.hasPrefix("\(name):4: document 1: spec.policyTypes[0]: "))
    }

    /// Finding nothing is a failure.
    @Test func checkFailsOnNothing() async throws {
        let empty = try TemporaryDirectory()
        let none = try await control("check", empty.path)
        #expect(none.status == 1 && none.output.contains("\(empty.path): there is no manifest"))
        #expect(none.output.hasSuffix("0 files, 0 documents: no objects, 1 problem\n"))
        #expect(try await control("check", "-").status == 1)
        #expect(try await control("verdict", "--manifests", empty.path, "a", "b", "80").status == 1)
    }

    @Test func checkTellsOfPoliciesThatNobodyEnforces() async throws {
        let misspelt = try await control(
            "check", "-", input: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies\n")
        #expect(misspelt.status == 1 && misspelt.output.contains("(did you mean NetworkPolicy?)"))
        let foreign = try await control(
            "check", "-", input: "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\n")
        #expect(foreign.status == 0 && foreign.output.hasPrefix("warning: standard input:1:1: document 1: Cilium"))
        #expect(foreign.output.hasSuffix("1 file, 1 document: no objects, 1 warning, no problems\n"))
    }
}
