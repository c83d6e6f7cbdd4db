// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import Testing
import Yams

/// `kubectl bulkhead`, over a `kubectl` that only records and answers.
@Suite struct KubectlPluginTests {
    private static func exec(_ pod: String, _ words: String, flags: String = "") -> String {
        let arguments = words.split(separator: " ").map { "[\($0)]" }.joined()
        return "[exec]\(flags)[-n][kube-system][-c][bulkheadd][\(pod)][--][bulkheadctl]\(arguments)"
    }

    private func run(_ kubectl: FakeKubectl, _ words: String, input: String = "") throws -> (Int32, String) {
        try kubectl.run(words.split(separator: " ").map(String.init), input: input)
    }

    /// The pod in question, and what bulkheadctl is given on its node.
    @Test(arguments: [
        ("explain web redis 6379/tcp", "bh-1", "explain web redis 6379/tcp -n team"),
        ("explain -n shop web 10.0.0.1 80", "bh-2", "explain web 10.0.0.1 80 -n shop"),
        ("verdict 10.0.0.1 redis 80 --method GET", "bh-2", "verdict 10.0.0.1 redis 80 --method GET -n team"),
        ("explain --timeout 5 svc/api shop/web 80", "bh-2", "explain --timeout 5 svc/api shop/web 80 -n team"),
        ("describe pod web", "bh-1", "describe pod team/web"),
        ("describe pod shop/web -o json", "bh-2", "describe pod shop/web -o json"),
        ("-n shop describe pod -o wide web", "bh-2", "describe pod -o wide shop/web"),
        ("endpoints --no-headers web", "bh-1", "endpoints --no-headers team/web"),
        ("flows -f --pod redis", "bh-2", "flows -f --pod team/redis"),
        ("events --pod=web --last 5", "bh-1", "events --pod=team/web --last 5"),
        ("--node node1 flows --pod 10.244.0.10", "bh-1", "flows --pod 10.244.0.10"),
        ("--node node1 flows -n shop --pod=fd00::/64", "bh-1", "flows --pod=fd00::/64 -n shop"),
        ("--node node2 events --pod 10.244.0.0/16", "bh-2", "events --pod 10.244.0.0/16"),
        ("explain web service/api 80", "bh-1", "explain web service/api 80 -n team"),
        ("verdict shop/web shop/services/api 80", "bh-2", "verdict shop/web shop/services/api 80 -n team"),
        ("--node node1 history -n shop", "bh-1", "history -n shop"),
        ("--node node1 delete -n shop netpol/x", "bh-1", "delete netpol/x -n shop"),
        ("--node node1 preview -n shop --delete netpol/x", "bh-1", "preview --delete netpol/x -n shop"),
        ("help", "bh-1", "help"), ("status --help", "bh-1", "status --help"),
        ("explain -h", "bh-1", "explain -h -n team"), ("diags --help", "bh-1", "diags --help"),
        ("--node node2 status", "bh-2", "status"), ("--node=node1 policies -n shop", "bh-1", "policies -n shop"),
        ("--node node1 help", "bh-1", "help"), ("--node node2 counters -o json", "bh-2", "counters -o json"),
    ])
    func commandsRunOnThePodsNode(words: String, pod: String, command: String) throws {
        let kubectl = try FakeKubectl()
        let (status, output) = try run(kubectl, words)
        #expect(status == 0, "\(output)")
        #expect(kubectl.commands == [Self.exec(pod, command)])
    }

    @Test func flagsOfKubectlArePassedOn() throws {
        let kubectl = try FakeKubectl()
        let flags = ["--context", "it's \"mine\" $HOME\n", "--as=me", "--kubeconfig", "/a b"]
        let result = try kubectl.run(flags + ["describe", "pod", "web"])
        #expect(result.status == 0, "\(result.output)")
        let words = flags.map { "[\($0)]" }.joined()
        let calls = kubectl.text(of: "log")
        #expect(calls.components(separatedBy: words).count == 5, "each of four calls has them: \(calls)")
        #expect(calls.components(separatedBy: words).dropFirst().allSatisfy { $0.hasPrefix("[") })
    }

    /// Nothing that is not a name gets to kubectl or to a shell.
    @Test(arguments: [
        "we*b", "$(touch touched)", "`touch touched`", "a b", "a;touch touched", "a\nb", "Web", "sh.op/../x", "web'",
        "\u{1b}[31mweb", "*", "..", "a/b'c",
    ])
    func hostileNamesAreRefused(name: String) throws {
        let kubectl = try FakeKubectl()
        for arguments in [
            ["explain", name, "10.0.0.1", "80"], ["describe", "pod", name], ["flows", "--pod", name],
            ["events", "--pod=\(name)"], ["--node", name, "status"], ["-n", name, "status"],
        ] {
            let result = try kubectl.run(arguments)
            #expect(result.status == 1 || result.status == 2)
            #expect(result.output.contains("error: ") && !result.output.contains("\u{1b}"), "\(arguments)")
        }
        #expect(kubectl.commands.isEmpty && kubectl.text(of: "touched").isEmpty)
        #expect(!FileManager.default.fileExists(atPath: kubectl.folder.appending(path: "touched").path))
    }

    @Test(arguments: [
        ("describe pod none", 1, "the node of the pod team/none cannot be found"),
        ("describe pod new", 1, "the pod team/new is not on a node yet"),
        (
            "--node node9 status", 1,
            "no pod of Bulkhead (app.kubernetes.io/name=bulkhead in kube-system) runs on the node node9"
        ),
        ("status", 2, "which node?"), ("", 2, "usage: kubectl bulkhead"), ("--frob status", 2, "unknown flag '--frob'"),
        ("--all --node node1 status", 2, "exclude each other"), ("--node", 2, "--node needs a value"),
        ("--all --node-timeout x status", 2, "a number of seconds"), ("completions bash", 2, "run bulkheadctl itself"),
        ("--node node1 apply -f x.yaml", 2, "pipe it instead"), ("--all top", 2, "shows one node"),
        ("--node node1 resolved put x.json", 2, "pipe it instead"),
        ("--node node1 verdict --queries - --manifests x", 2, "'--queries' names a file of this machine"),
        ("explain web redis 80 --manifests=x", 2, "'--manifests' names a file of this machine"),
        ("explain web redis 80 --bundle x", 2, "'--bundle' would write in Bulkhead's pod"),
        ("--node node1 preview -f x.yaml", 2, "pipe it instead"),
        ("flows --pod 10.0.0.1", 2, "which node?"), ("--node node1 apply -n shop -f -", 2, "leave out -n"),
    ])
    func errorsSayWhatToDo(words: String, status: Int32, message: String) throws {
        let kubectl = try FakeKubectl()
        let result = try run(kubectl, words)
        #expect(result.0 == status && result.1.contains(message), "\(result)")
        #expect(kubectl.commands.isEmpty)
    }

    /// Commands about the whole node do not get a namespace.
    @Test(arguments: ["status", "version", "dump", "resync", "resolved get"])
    func aNamespaceWithoutEffectIsNoted(words: String) throws {
        let kubectl = try FakeKubectl()
        let result = try run(kubectl, "-n shop --node node1 \(words)")
        let name = words.prefix { $0 != " " }
        #expect(result.0 == 0 && result.1.contains("note: -n has no effect on '\(name)'\n"), "\(result)")
        #expect(kubectl.commands == [Self.exec("bh-1", words)])
    }

    /// Pods that end or do not run yet are not asked; a node with several of them is asked once.
    @Test func onlyThePodThatRunsIsAsked() throws {
        let kubectl = try FakeKubectl(agents: [
            "node1 bh-old Running 2026-01-01T00:00:00Z", "node1 bh-next Pending ", "node1 bh-1 Running ",
            "node1 bh-extra Running ",
        ])
        #expect(try run(kubectl, "status").1 == "it says bh-1\nand more\n", "the only node needs no name")
        try kubectl.set("agents", "node1 bh-old Running 2026-01-01T00:00:00Z\nnode1 bh-next Pending \n")
        let none = try run(kubectl, "describe pod web")
        #expect(none.0 == 1 && none.1.contains("runs on the node node1"))
    }

    @Test func standardInputIsPassedOn() throws {
        let kubectl = try FakeKubectl()
        let one = try run(kubectl, "--node node1 apply -f -", input: "kind: x\n")
        #expect(one.0 == 0 && one.1 == "kind: x\n")
        #expect(kubectl.commands == [Self.exec("bh-1", "apply -f -", flags: "[-i]")])
        #expect(try run(kubectl, "--node node1 preview -f -", input: "kind: x\n").1 == "kind: x\n")
        let all = try run(kubectl, "--all apply -f -", input: "kind: x\n")
        #expect(all.0 == 0 && all.1 == "node1: kind: x\nnode2: kind: x\n")
    }

    @Test func theArchiveIsWrittenHere() throws {
        let kubectl = try FakeKubectl()
        let result = try run(kubectl, "--node node1 diags -o report.tar.gz --log /var/log/x")
        #expect(result.0 == 0 && result.1.contains("wrote report.tar.gz"))
        #expect(kubectl.text(of: "report.tar.gz") == "it says bh-1\nand more\n")
        #expect(kubectl.commands == [Self.exec("bh-1", "diags --log /var/log/x -o -")])
        let again = try run(kubectl, "--node node1 diags --output=report.tar.gz")
        #expect(again.0 == 1 && again.1.contains("report.tar.gz exists already") && kubectl.commands.count == 1)
        #expect(try run(kubectl, "--all diags -oall.tar.gz").0 == 0)
        #expect(kubectl.text(of: "node2-all.tar.gz") == "it says bh-2\nand more\n")
        let dead = try FakeKubectl(agents: ["node1 bh-dead Running "])
        #expect(try run(dead, "diags -o report.tar.gz").0 == 1)
        let left = try FileManager.default.contentsOfDirectory(atPath: dead.folder.path)
        #expect(!left.contains { $0.hasPrefix("report") })
    }

    /// In a shared directory, a link of someone else must not lead the archive elsewhere.
    @Test(arguments: ["report.tar.gz", "report.tar.gz.part"]) func noLinkIsFollowed(link: String) throws {
        let kubectl = try FakeKubectl()
        func addLink(_ name: String) throws {
            let path = kubectl.folder.appending(path: name).path
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "elsewhere")
        }
        try addLink(link)
        let one = try run(kubectl, "--node node1 diags -o report.tar.gz")
        #expect((one.0 == 0) == link.hasSuffix(".part"), "\(one)")
        try addLink("node1-\(link)")
        let all = try run(kubectl, "--all diags -o report.tar.gz")
        #expect((all.0 == 0) == link.hasSuffix(".part"), "\(all)")
        #expect(kubectl.text(of: "node2-report.tar.gz") == "it says bh-2\nand more\n")
        #expect(!FileManager.default.fileExists(atPath: kubectl.folder.appending(path: "elsewhere").path))
    }
}

/// The files around the plugin.
@Suite struct KubectlPluginFileTests {
    private static let folder = Kustomization.repository.appending(path: "deploy/kubectl")

    private static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    /// Label, container and namespace are those of the DaemonSet as deployed.
    @Test func thePluginFindsTheDaemonSet() throws {
        let deploy = try Kustomization(Kustomization.repository.appending(path: "deploy"))
        let set = try deploy.only("DaemonSet")
        let labels = try #require(set.node["spec"]?["template"]?["metadata"]?["labels"]?.mapping)
        let kubectl = try FakeKubectl()
        #expect(try kubectl.run(["--node", "node1", "status"]).status == 0)
        let listed = try #require(kubectl.calls.first { $0.hasPrefix("[get][pods]") })
        let label = try #require(labels.first { $0.key.string == "app.kubernetes.io/name" })
        #expect(labels.count == 1)
        #expect(listed.contains("[-n][\(set.namespace ?? "")][-l][app.kubernetes.io/name=\(label.value.string ?? "")]"))
        let container = try deploy.pod().containers.first { $0["command"]?.texts == ["/usr/bin/bulkheadd"] }
        let name = try #require(container?["name"]?.string)
        #expect(kubectl.commands.first?.hasPrefix("[exec][-n][\(set.namespace ?? "")][-c][\(name)][bh-1]") == true)
        // The proxy's pods are others.
        let requests = try Kustomization(
            Kustomization.repository.appending(path: "deploy"),
            adding: [Kustomization.repository.appending(path: "deploy/requests")])
        let proxy = try requests.only("DaemonSet", named: "bulkhead-http")
        let others = proxy.node["spec"]?["template"]?["metadata"]?["labels"]
        #expect(others?["app.kubernetes.io/name"]?.string != label.value.string)
    }

    /// The archive has always the same bytes; what is unpacked runs through a link, as krew makes it.
    @Test func theArchiveIsThatOfTheManifest() throws {
        let fake = try FakeKubectl()
        let script = Kustomization.repository.appending(path: "scripts/package-plugin").path
        let printed = try NetProcess.run([script, "--check", fake.folder.path])
        let archive = try #require(printed.split(separator: " ").first)
        let manifest = try #require(try Yams.compose(yaml: try Self.text("bulkhead.yaml")))
        #expect(manifest["apiVersion"]?.string == "krew.googlecontainertools.github.com/v1alpha2")
        #expect(manifest["kind"]?.string == "Plugin" && manifest["metadata"]?["name"]?.string == "bulkhead")
        let platforms = try #require(manifest["spec"]?["platforms"]?.sequence)
        #expect(platforms.count == 1 && manifest["spec"]?["shortDescription"]?.string?.count ?? 99 <= 50)
        let uri = try #require(platforms[0]["uri"]?.string)
        #expect(uri.hasSuffix(archive.split(separator: "/").last ?? "-"))
        let program = try #require(platforms[0]["bin"]?.string)
        try NetProcess.run(["tar", "-C", fake.folder.path, "-xzf", String(archive)])
        try NetProcess.run(["ln", "-s", "\(fake.folder.path)/\(program)", "\(fake.folder.path)/linked"])
        #expect(try NetProcess.run(["\(fake.folder.path)/linked", "--help"]).contains("usage: kubectl bulkhead"))
    }

    /// The example of rights has what the plugin asks of the API server, and no more.
    @Test func rightsAreThoseThatAreUsed() throws {
        var granted: [String: [String]] = [:]
        for document in try Yams.compose_all(yaml: try Self.text("role.yaml")) {
            let cluster = document["kind"]?.string?.hasPrefix("Cluster") == true
            for rule in document["rules"]?.sequence ?? [] {
                for resource in rule["resources"]?.texts ?? [] {
                    granted["\(cluster ? "cluster" : "namespace") \(resource)"] = rule["verbs"]?.texts
                }
            }
        }
        #expect(
            granted == [
                "cluster pods": ["get", "list"], "cluster nodes": ["list"], "namespace pods/exec": ["get", "create"],
            ])
    }
}
