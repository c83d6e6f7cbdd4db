// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

/// What `status --verify` prints.
enum VerifyReport {
    /// Reading the tables and asking thousands of questions takes longer than a status, above all with nftables.
    static let timeout = 120

    static func run(_ socket: SocketOptions, _ output: OutputOptions) async throws {
        var client = socket.client
        client.timeout = client.timeout ?? timeout
        let answer = try await client.ask(VerifyAnswer.self, .get, .verify)
        try output.print(answer, text: text)
        if !answer.passed { throw ExitStatus.failure.error }
    }

    static func text(_ answer: VerifyAnswer) -> String {
        var table = Table("CHECK", "RESULT", "FOUND")
        for check in answer.checks {
            table.add(
                .init(check.name.rawValue), .init(check.result.rawValue, color(check.result)), .init(check.detail))
        }
        let wrong = answer.checks.filter { $0.result == .failed || $0.result == .repaired }
        let last = lastRepair(answer)
        guard !wrong.isEmpty else { return table.text + last }
        let remedies = wrong.compactMap { check in check.remedy.map { "  \(check.name.rawValue): \($0)\n" } }
        let list = wrong.map { "\($0.name.rawValue) \($0.result.rawValue)" }.joined(separator: ", ")
        return table.text + "\nnot as it should be: \(Terminal.paint(list, .red))\n" + remedies.joined()
            + repairs(answer) + last
    }

    private static func lastRepair(_ answer: VerifyAnswer) -> String {
        guard let last = answer.lastRepair else { return "" }
        return "\nlast repair before, at \(last.time): \(things(last).joined(separator: ", "))\n"
    }

    /// One line for each thing that was repaired.
    private static func repairs(_ answer: VerifyAnswer) -> String {
        let lines = answer.checks.flatMap { check in
            (check.repair.map(things) ?? []).map { "  \(check.name.rawValue): \($0)\n" }
        }
        return lines.isEmpty ? "" : "\nrepaired:\n" + lines.joined()
    }

    private static func things(_ repair: RepairRecord) -> [String] {
        guard !repair.things.isEmpty else { return [Words.count(repair.count, "thing")] }
        return repair.things
    }

    private static func color(_ result: VerifyCheck.Result) -> Terminal.Color? {
        switch result {
        case .passed: .green
        case .repaired: .yellow
        case .failed: .red
        case .skipped: nil
        }
    }
}
