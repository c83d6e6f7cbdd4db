// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

/// What bpf/verifier-budget.txt allows each program.
struct VerifierBudget {
    var instructions: Int
    var verified: Int

    /// The kernel's release with which the file was written.
    private static let measuredRelease = "6.18."

    /// By family and hook, such as `ipv4 forward`, with a tenth on top. Verifiers of other releases count differently: they
    /// may take twice as much.
    static func read() throws -> [String: VerifierBudget] {
        let path = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/bpf/verifier-budget.txt"
        let isMeasured = release.hasPrefix(measuredRelease)
        var budgets: [String: VerifierBudget] = [:]
        for line in try lines(of: path) where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            guard words.count == 4, let instructions = Int(words[2]), let verified = Int(words[3]) else {
                Issue.record("\(path): '\(line)' is not a family, a hook and two numbers")
                continue
            }
            budgets["\(words[0]) \(words[1])"] = VerifierBudget(
                instructions: isMeasured ? instructions * 11 / 10 : instructions * 2,
                verified: isMeasured ? verified * 11 / 10 : verified * 2)
        }
        return budgets
    }

    private static var release: String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func lines(of path: String) throws -> [Substring] {
        let file = try #require(fopen(path, "r"), "\(path) can be read")
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
    }
}
