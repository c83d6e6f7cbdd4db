// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Glibc

/// `--kernel` and `--bundle`, for `verdict`.
struct KernelOptions: ParsableArguments {
    @Flag(help: "Ask this node's kernel as well, and compare.")
    var kernel = false

    @OptionGroup var report: BundleOptions

    /// Whether the kernel is to be asked.
    var isAsked: Bool { kernel || report.bundle != nil }

    static let offlineError = ValidationError(
        "manifests and API servers have no kernel: --kernel and --bundle exclude --manifests and --kubeconfig")

    func finish(_ comparison: KernelComparison?) throws { try report.finish(comparison) }
}

/// `--bundle`: where a disagreement is written to.
struct BundleOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "If the kernel and the daemon disagree, write everything about it to this file, or to a new file in this "
                + "directory.", valueName: "path"),
        completion: .file())
    var bundle: String?

    /// Reports a disagreement, and ends with its exit code.
    func finish(_ comparison: KernelComparison?) throws {
        guard let comparison, comparison.agrees == false else { return }
        Terminal.complain("error: \(KernelComparison.remedy)")
        if let bundle, let content = comparison.bundle { try Self.write(content, to: bundle) }
        throw ExitStatus.disagreement.error
    }

    private static func write(_ content: DisagreementBundle, to path: String) throws {
        var status = stat()
        let isDirectory = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        let name = "bulkhead-disagreement-\(content.time.filter { $0.isNumber || $0.isLetter }).json"
        let file = isDirectory ? "\(path)/\(name)" : path
        // A bug report is for its author, who decides who may read it; a file that exists is not theirs to lose.
        try OutputFile.create(file, with: JSON.pretty(content) + [UInt8(ascii: "\n")])
        Terminal.complain("written to \(file)")
    }
}

extension Outline {
    /// Lines for a person.
    mutating func add(_ comparison: KernelComparison) {
        guard !comparison.flows.isEmpty else { return add("kernel: not asked: \(comparison.notAsked ?? "")") }
        for flow in comparison.flows { add(flow) }
    }

    private mutating func add(_ flow: ComparedFlow) {
        if let kernel = flow.kernel {
            add(
                "kernel: \(kernel.verdict)  \(flow.flow)\(flow.agrees == true ? ", as the daemon says" : "")",
                first: kernel.verdict, VerdictCommand.color(kernel.verdict))
            if let notAsked = flow.notAsked { add("not compared: \(notAsked)", depth: 1) }
        } else {
            add("kernel: not asked about \(flow.flow): \(flow.notAsked ?? "")")
        }
        for (side, rule) in [("egress", flow.kernel?.egress), ("ingress", flow.kernel?.ingress)] {
            guard let rule else { continue }
            add("\(side) by \(rule.text)", depth: 1)
        }
        if let cause = flow.kernel?.cause { add("cause: \(cause)", depth: 1) }
        for difference in flow.differences ?? [] {
            add("disagrees: \(difference)", depth: 1, first: "disagrees", .red)
        }
    }
}

extension DecidingRule {
    fileprivate var text: String {
        let rule = rule.map { " (\($0))" } ?? ""
        let name = number == 0 ? "no policy" : "rule \(number)\(rule)"
        return name + (wouldDeny.map { ", would be denied by rule \($0) in audit" } ?? "")
    }
}
