// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import Testing

/// The parts of `scripts/demo` that need no network: its command line, the progress of a build, and its words.
@Suite struct DemoScriptTests {
    /// Runs lines of bash in the repository's folder.
    private func bash(_ lines: String) throws -> (status: Int32, output: String) {
        let process = try NetProcess(
            ["env", "-C", Kustomization.repository.path, "TERM=dumb", "NO_COLOR=1", "bash", "-c", lines],
            keepsErrors: true)
        return (try process.wait(seconds: 60), process.output)
    }

    /// What the command line sets, or the refusal.
    private func parsed(_ words: String) throws -> (status: Int32, output: String) {
        try bash(
            """
            source scripts/demo.d/options.sh
            parse_options \(words)
            echo "$action $stays $datapath ${programs:-built} ${operands[*]}"
            """)
    }

    @Test(arguments: [
        ("", "play false auto built"),
        ("--stay --datapath nftables", "play true nftables built"),
        ("--datapath=ebpf --stay", "play true ebpf built"),
        ("--programs=/usr", "play false auto /usr"),
        ("--check", "check false auto built"),
        ("--clean", "clean false auto built"),
        ("--enter redis curl -m 2 http://10.244.0.11", "enter false auto built redis curl -m 2 http://10.244.0.11"),
    ])
    func options(words: String, meaning: String) throws {
        let answer = try parsed(words)
        #expect(answer.status == 0, "\(answer.output)")
        #expect(answer.output.hasPrefix(meaning), "\(answer.output)")
    }

    @Test(arguments: [
        ("--staying", "'--staying' is not an option"),
        ("--datapath", "--datapath needs a value"),
        ("--datapath xdp", "not 'xdp'"),
        ("--programs /nowhere/at/all", "is not a directory"),
        ("--enter", "needs the name of a namespace"),
        ("--clean --check", "exclude each other"),
    ])
    func mistakes(words: String, complaint: String) throws {
        let answer = try parsed(words)
        #expect(answer.status == 2)
        #expect(answer.output.contains(complaint), "\(answer.output)")
        #expect(answer.output.contains("usage: scripts/demo"))
    }

    /// Runs the progress filter over a build that prints these lines, and returns what it keeps in its file too.
    private func progress(
        of lines: [String], status: Int32
    ) throws -> (status: Int32, output: String, kept: String) {
        let log = FileManager.default.temporaryDirectory.appending(path: "bulkhead-progress-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: log) }
        let text = lines.joined(separator: "\n") + "\n"
        let process = try NetProcess(
            [
                "env", "-C", Kustomization.repository.path, "bash", "scripts/demo.d/progress.bash", log.path,
                "bash", "-c", "cat; exit \(status)",
            ], input: text, keepsErrors: true)
        let ended = try process.wait(seconds: 60)
        return (ended, process.output, try String(contentsOf: log, encoding: .utf8))
    }

    private static let steps = (1...690).map { "[\($0)/690] Compiling Module\($0) File.swift" }

    @Test func aBuildIsAFewLines() throws {
        let answer = try progress(of: ["Fetching https://x", "Building for production..."] + Self.steps, status: 0)
        #expect(answer.status == 0)
        let lines = answer.output.split(separator: "\n")
        // Without a terminal: 0 to 100 percent in tens, and how long it took.
        #expect(lines.count == 12, "\(answer.output)")
        #expect(lines.contains { $0.contains("building  50%") && $0.contains("Module") })
        #expect(lines.last?.contains("built in") ?? false)
        #expect(lines.allSatisfy { $0.count < 100 })
        #expect(answer.kept.split(separator: "\n").count == 692)
    }

    @Test func aFailedBuildSaysWhatTheCompilerSaid() throws {
        let error = "/x/File.swift:3:7: error: cannot find 'y' in scope"
        let answer = try progress(of: Self.steps.prefix(200) + [error, " 3 | let x = y"], status: 1)
        #expect(answer.status == 1)
        #expect(answer.output.contains(error + "\n 3 | let x = y\n"))
        #expect(answer.output.contains("exit status 1"))
        #expect(!answer.output.contains("built in"))
        #expect(answer.output.split(separator: "\n").count(where: { $0.contains("Compiling") }) < 10)
    }

    @Test func longLinesBreakBetweenWords() throws {
        let words = String(repeating: "isolates ", count: 30)
        let answer = try bash(
            """
            columns_at_most=98
            source scripts/demo.d/words.sh
            printf '    short  line\\n    %s\\n' '\(words)' | wrapped
            """)
        let lines = answer.output.split(separator: "\n")
        #expect(lines.first == "    short  line")
        #expect(lines.count == 4, "\(answer.output)")
        #expect(lines.allSatisfy { $0.count <= 98 })
        #expect(lines[2].hasPrefix("      isolates"))
        #expect(answer.output.split(whereSeparator: \.isWhitespace).count { $0 == "isolates" } == 30)
    }

    /// What the check says when the kernel refuses a user namespace and one setting has this value.
    @Test(arguments: [
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces="),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0'"),
        ("none", "0", "(refused by seccomp); inside a container"),
    ])
    func whyThereIsNoUserNamespace(setting: String, value: String, advice: String) throws {
        let answer = try bash(
            """
            source scripts/demo.d/rights.sh
            unshare() { echo 'refused by seccomp' >&2; return 1; }
            value_of() { [[ $1 != \(setting) ]] || echo \(value); }
            check_user_namespaces && echo allowed
            printf '%s\\n' "${problems_found[@]}"
            """)
        #expect(answer.output.contains(advice), "\(answer.output)")
        #expect(!answer.output.contains("allowed"))
    }

    /// What the check of the folder says after `change` to a built clone that belongs to the user who asks.
    private func folderProblems(after change: String) throws -> String {
        let answer = try bash(
            """
            source scripts/demo.d/rights.sh
            export -f problem unwritable why_unwritable check_folder
            cd "$(mktemp -d)" || exit
            trap 'chmod -R u+w "$PWD"; rm -rf "$PWD"' EXIT
            chmod 755 .
            mkdir -p .build/checkouts
            touch .build/build.db Package.resolved
            as_user=()
            if ((EUID == 0)); then
                chown -R 65534:65534 .
                as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
            fi
            \(change)
            "${as_user[@]}" bash -c 'programs= build_gigabytes=0 problems_found=()
                check_folder
                for text in "${problems_found[@]}"; do printf "%s\\n" "$text"; done'
            """)
        #expect(answer.status == 0, "\(answer.output)")
        return answer.output
    }

    /// The build writes into its folder, and makes that and Package.resolved.
    @Test(arguments: [
        ("chmod 555 .", ""), ("rm -r .build; chmod 555 .", "because its mode is dr-xr-xr-x"),
        ("rm Package.resolved; chmod 555 .", "because its mode is dr-xr-xr-x"),
        ("chmod 444 Package.resolved", "/Package.resolved,\n    because its mode is -r--r--r--"),
        ("chmod 555 .build/checkouts", "/.build/checkouts,\n    because its mode is dr-xr-xr-x"),
        ("chmod 444 .build/build.db", ""), ("mv .build b; ln -s b .build; chmod 555 b", "/b,\n    because its mode is"),
        (
            "findmnt() { echo ro,relatime; }; export -f findmnt; chmod 555 .build",
            "because its file system is read-only: copy the repository, or name built programs with --programs"
        ),
    ])
    func whereTheBuildWrites(change: String, message: String) throws {
        let problems = try folderProblems(after: change)
        #expect(message.isEmpty ? problems.isEmpty : problems.contains(message), "\(problems)")
    }

    /// As after `sudo scripts/demo`. Only root can make such a clone.
    @Test(
        .enabled(if: geteuid() == 0, "only root gives files to others"),
        arguments: [
            ("chown root .build/build.db", "it belongs to root: run 'sudo chown -R nobody .build', copy"),
            ("chown -R root .build", "it belongs to root: run 'sudo chown -R nobody .build', copy"),
            ("chown root Package.resolved", "it belongs to root: run 'sudo chown -R nobody Package.resolved', copy"),
            ("chown root . && rm -r .build", "because it belongs to root: copy the repository, or name built programs"),
        ])
    func whatBelongsToOthers(change: String, message: String) throws {
        let problems = try folderProblems(after: change)
        #expect(problems.contains(message), "\(problems)")
    }

    private static let hasUserNamespaces =
        (try? NetProcess(["unshare", "-Urm", "true"], keepsErrors: true).wait(seconds: 10)) == 0

    /// A clone on a disk that is mounted below /run stays where it is when the demo covers /run.
    @Test(.enabled(if: hasUserNamespaces, "without user namespaces"))
    func aCloneBelowRunStays() throws {
        let inner = """
            is_isolated=true
            source scripts/demo.d/network.sh
            mkdir -p /run/media/clone /run/media/programs /run/other
            echo cloned >/run/media/clone/file
            echo program >/run/media/programs/file
            cd /run/media/clone
            cover_run /run/media/programs
            echo "$PWD" $(cat file /run/media/clone/file /run/media/programs/file) $(ls /run)
            """
        let answer = try bash(
            """
            export inner
            inner=$(cat <<'END'
            \(inner)
            END
            )
            unshare -Urm bash -c 'mount -t tmpfs tmpfs /run && exec unshare -Urm bash -euc "$inner"'
            """)
        #expect(answer.output.hasPrefix("/run/media/clone cloned cloned program media"), "\(answer.output)")
        #expect(!answer.output.contains("other"))
    }

    @Test func missingPackagesAreOneLine() throws {
        let answer = try bash(
            """
            dpkg-query() { [[ ${@: -1} != present ]] || echo 'ii '; }
            apt-get() { echo 'something was installed'; }
            sudo() { echo 'something was installed'; }
            export -f dpkg-query apt-get sudo
            scripts/install-packages --check --no-build jq present haproxy
            """)
        #expect(answer.status == 1)
        #expect(
            answer.output
                == "install-packages: run: sudo apt-get install -y --no-install-recommends jq haproxy\n")
    }

    @Test func nothingMissing() throws {
        let answer = try bash(
            """
            dpkg-query() { echo 'ii '; }
            export -f dpkg-query
            scripts/install-packages --check --no-build jq haproxy
            """)
        #expect(answer.status == 0)
        #expect(answer.output.isEmpty, "\(answer.output)")
    }
}
