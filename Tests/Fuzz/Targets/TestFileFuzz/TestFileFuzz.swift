// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import FuzzDriver
import Glibc
import PolicyCases

/// Any bytes as a file of policy tests: read, or refused at places inside the text. The tests of what was read run to
/// their end, and none passes without a reason to.
private func fuzzTestFile(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    do throws(PolicyTestFileError) {
        let file = try PolicyTestFile(bytes, name: "t.yaml")
        precondition(!file.cases.isEmpty)
        run(file)
    } catch {
        precondition(!error.problems.isEmpty && error.problems.allSatisfy { $0.line <= count + 1 })
        _ = error.problems.map(\.description)
    }
    return 0
}

private func run(_ file: PolicyTestFile) {
    let input = InventoryInput(objects: file.objects, services: file.services, extracts: file.extracts)
    guard let inventory = try? ClusterInventory(input) else { return }
    var run = PolicyTestRun(inventory)
    for test in file.cases.prefix(8) {
        let result = run.run(test)
        precondition(result.reasons.isEmpty == (result.outcome == .passed))
        // Without pods, no flow is judged.
        if inventory.workloads.isEmpty { precondition(result.outcome == .error) }
    }
}

@main enum TestFileFuzz {
    static func main() { exit(fuzz(fuzzTestFile)) }
}
