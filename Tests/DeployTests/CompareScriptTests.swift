// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import Testing

/// `scripts/compare` in a repository whose benchmark, build and valgrind are a few lines of shell.
@Suite struct CompareScriptTests {
    /// Runs lines of bash in a repository of three commits: the first has no list of steps, the others have one.
    private func bash(_ lines: String) throws -> (status: Int32, output: String) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-compare-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let script = Kustomization.repository.appending(path: "scripts/compare").path
        let process = try NetProcess(
            ["env", "-C", folder.path, "bash", "-c", "compare=\(script)\n\(Self.repository)\n\(lines)"],
            keepsErrors: true)
        return (try process.wait(seconds: 60), process.output)
    }

    private static let repository = #"""
        set -e
        mkdir -p bin scripts
        cp "$compare" scripts/compare
        printf '#!/bin/bash\n' | tee bin/valgrind bin/strip scripts/install-packages scripts/build >/dev/null
        chmod +x bin/* scripts/*
        echo 'exec "${@:3}"' >>bin/valgrind
        echo 'cp "$3" "$2"' >>bin/strip
        cat >>scripts/build <<'EOF'
        bash -n bench && mkdir -p .build/release && cp bench .build/release/bulkhead-bench && touch Package.resolved
        EOF
        printf '.build/\nPackage.resolved\n' >.gitignore
        export PATH=$PWD/bin:$PATH GIT_CONFIG_GLOBAL=/dev/null
        save() { git add . && git -c user.name=a -c user.email=a@a commit -qm "$1"; }
        git init -q .
        printf '#!/bin/bash\necho usage: bench\n' >bench && chmod +x bench && save first
        cat >bench <<'EOF'
        #!/bin/bash
        declare -A counts=([nothing]=1,000 [compile]=9,001,000 [events]=9,101,000)
        case "$*" in
        counted) printf 'nothing \ncompile nothing\nevents compile\n' ;;
        small-hotpath) printf 'ipv4-one %s\n' 195 ;;
        *) echo "==1== I   refs:      ${counts[$2]}" >&2 ;;
        esac
        EOF
        save second
        echo '# third' >>bench && save third
        set +e
        """#

    @Test(arguments: [
        ("scripts/compare", "events                  100000          100000   +0.0 %"),
        ("scripts/compare HEAD~2", "events                       -          100000      new"),
        ("scripts/compare >/dev/null; rm -rf .build/compare/tree; scripts/compare", "+0.0 %"),
        ("scripts/compare >/dev/null; echo damaged >.build/compare/tree/.git; scripts/compare", "+0.0 %"),
        ("scripts/compare >/dev/null; echo edited >.build/compare/tree/bench; scripts/compare HEAD^", "+0.0 %"),
        ("sed -i s/9,101,000/9,105,000/ bench; scripts/compare HEAD", "+4.0 %"),
        ("sed -i s/9,101,000/9,110,000/ bench; scripts/compare --limit 10 HEAD", "+9.0 %"),
        ("sed -i s/9,101,000/9,051,000/ bench; scripts/compare HEAD", "-50.0 %"),
    ])
    func passes(lines: String, row: String) throws {
        let answer = try bash(lines)
        #expect(answer.status == 0 && answer.output.contains(row), "\(answer.output)")
    }

    /// Of the whole work the slower step is one percent.
    @Test(arguments: [
        (
            "sed -i s/9,101,000/9,107,000/ bench; scripts/compare HEAD",
            "events takes more than 5 % more instructions than HEAD", 1
        ),
        (
            "sed -i 's/\\*) echo/*) exit 3; echo/' bench; scripts/compare HEAD", "step nothing failed in the build now",
            1
        ),
        ("sed -i 's/refs/lines/' bench; scripts/compare HEAD", "valgrind counts no instructions", 1),
        ("sed -i 's/counted) printf/counted) : /' bench; scripts/compare HEAD", "this tree counts no step", 1),
        ("echo 'if' >>bench; scripts/compare HEAD", "this tree does not build", 1),
        (
            "echo 'if' >>bench; save fourth; sed -i '$d' bench; scripts/compare HEAD",
            "HEAD does not build", 1
        ),
        ("scripts/compare no-such", "no commit no-such here", 2),
        ("scripts/compare --limit five", "--limit five is not a whole number of percent", 2),
        ("scripts/compare --limit", "--limit needs a number", 2),
        ("scripts/compare --fast", "unknown option --fast; usage: scripts/compare", 2),
    ])
    func fails(lines: String, complaint: String, status: Int32) throws {
        let answer = try bash(lines)
        #expect(answer.status == status && answer.output.contains(complaint), "\(answer.output)")
    }
}
