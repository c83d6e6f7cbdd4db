// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit

/// A `kubectl` first in PATH that records how it is called and answers from files, and the plugin that calls it.
final class FakeKubectl: Sendable {
    let folder: URL
    static let plugin = Kustomization.repository.appending(path: "deploy/kubectl/kubectl-bulkhead")

    /// - Parameters:
    ///   - agents: Bulkhead's pods, as lines NODE POD PHASE DELETED.
    ///   - pods: the node of each pod of the cluster.
    init(
        agents: [String] = ["node1 bh-1 Running ", "node2 bh-2 Running "], nodes: [String] = ["node1", "node2"],
        pods: [String: String] = ["team/web": "node1", "shop/web": "node2", "team/redis": "node2", "team/new": ""]
    ) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-kubectl-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try set("agents", agents.map { $0 + "\n" }.joined())
        try set("nodes", nodes.map { $0 + "\n" }.joined())
        try set("pods", pods.map { "\($0.key)=\($0.value)\n" }.joined())
        try set("log", "")
        try set("kubectl", Self.program)
        let kubectl = folder.appending(path: "kubectl").path
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: kubectl)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func set(_ name: String, _ text: String) throws {
        try text.write(to: folder.appending(path: name), atomically: false, encoding: .utf8)
    }

    func text(of name: String) -> String {
        (try? String(contentsOf: folder.appending(path: name), encoding: .utf8)) ?? ""
    }

    /// The calls so far, each word in brackets.
    var calls: [String] { text(of: "log").split(separator: "\n").map(String.init) }
    var commands: [String] { calls.filter { $0.contains("[exec]") } }

    /// - Parameter follow: whether streams go on until they are ended.
    func start(_ arguments: [String], input: String = "", keepsErrors: Bool = true, follow: Bool = false) throws
        -> NetProcess
    {
        let path = folder.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
        let words = [
            "env", "-C", folder.path, "PATH=\(path)", "FAKE=\(folder.path)", "TMPDIR=\(folder.path)",
            "FOLLOW=\(follow ? 600 : 0)", Self.plugin.path,
        ]
        return try NetProcess(words + arguments, input: input, keepsErrors: keepsErrors)
    }

    func run(
        _ arguments: [String], input: String = "", keepsErrors: Bool = true
    ) throws -> (status: Int32, output: String) {
        let process = try start(arguments, input: input, keepsErrors: keepsErrors)
        return (try process.wait(seconds: 60), process.output)
    }

    /// What the pods answer depends on their names and on the command.
    private static let program = #"""
        #!/bin/sh
        line=; for word; do line="$line[$word]"; done
        printf '%s\n' "$line" >>"$FAKE/log"
        while :; do case $1 in --*=*) shift ;; --*) shift 2 ;; *) break ;; esac; done
        case "$1 $2" in
        'config view') echo team ;;
        'get pod')
            found=$(grep "^$4/$5=" "$FAKE/pods") || { echo "Error from server (NotFound): pods \"$5\" not found" >&2; exit 1; }
            printf '%s' "${found#*=}"
            ;;
        'get pods')
            case " $* " in
            *' spec.nodeName='*) node=${*##*spec.nodeName=}; grep "^${node%% *} " "$FAKE/agents" || : ;;
            *) cat "$FAKE/agents" ;;
            esac
            ;;
        'get nodes')
            [ ! -f "$FAKE/forbidden" ] || exit 1
            case "$*" in *disabled=true*) cat "$FAKE/disabled" 2>/dev/null ;; *) cat "$FAKE/nodes" ;; esac
            ;;
        'exec '*)
            while [ "$1" != -- ]; do pod=$1; shift; done
            shift
            case $pod in
            *-dead) echo 'error: unable to upgrade connection' >&2; exit 1 ;;
            *-hang) echo $$ >"$FAKE/hang"; exec sleep 600 ;;
            *-deny) echo '{"verdict":"deny"}'; echo 'command terminated with exit code 3' >&2; exit 3 ;;
            *-slow) : >"$FAKE/busy.$pod"; ls "$FAKE" | grep -c '^busy' >>"$FAKE/counts"; sleep 0.3; rm "$FAKE/busy.$pod" ;;
            esac
            case "$*" in
            *'events -f'*) echo $$ >>"$FAKE/streams"; printf '{"n":1}\n{"n":2}\n'; exec sleep "${FOLLOW:-0}" ;;
            *json*) printf '{\n  "a" : {\n    "b" : 1\n  }\n}\n' ;;
            *' -f -') cat ;;
            *) printf 'it says %s\nand more\n' "$pod" ;;
            esac
            ;;
        esac

        """#
}
