// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Prints a completion script for a shell.",
        discussion: """
            The script completes names of pods, policies and namespaces by asking the daemon.

            bash: bulkheadctl completions bash > /etc/bash_completion.d/bulkheadctl
            zsh: bulkheadctl completions zsh > "${fpath[1]}/_bulkheadctl"
            fish: bulkheadctl completions fish > ~/.config/fish/completions/bulkheadctl.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash
        case zsh
        case fish
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        Terminal.write(BulkheadCtl.completionScript(for: kind) + "\n")
    }
}
