// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyPipeline
import SelfProof

/// Prints what the self-proof costs without the kernel's part, at 150,000 pods and 5,000 policies: to choose questions,
/// and to know their answers; processor time.
func benchProof() {
    var pipeline = PolicyPipeline(nodeName: "node-0")
    LargeCluster.ingest(into: &pipeline)
    _ = pipeline.apply([])
    let before = residentMegabytes()
    var prover = Prover(seed: 1)
    let batch = 64
    var (choosing, expecting): ([Double], [Double]) = ([], [])
    var (count, denied) = (0, 0)
    for _ in 0..<8000 {
        var asked: [Prover.Asked] = []
        choosing.append(processorMilliseconds { asked = prover.questions(batch, of: pipeline.compiled) } * 1000)
        expecting.append(
            processorMilliseconds {
                for one in asked where pipeline.compiled.expected(one.question).verdict == .deny { denied += 1 }
            } * 1000)
        count += asked.count
    }
    let (chosen, expected) = (choosing.reduce(0, +) / Double(count), expecting.reduce(0, +) / Double(count))
    let longest = zip(choosing, expecting).map { $0 + $1 }.sorted()
    print("proof: \(pipeline.statistics)")
    print("proof: \(count) questions, \(denied) of them denied, \(prover.rounds) rounds over all cells")
    print("proof: a question costs \(shown(chosen)) µs to choose and \(shown(expected)) µs to know the answer")
    print(
        "proof: a batch of \(batch): median \(shown(longest[longest.count / 2])) µs,",
        "p99 \(shown(longest[longest.count * 99 / 100])), at most \(shown(longest[longest.count - 1])) (target 1,000)")
    print("proof: in 0.5 % of a core, without the kernel: \(Int(5000 / (chosen + expected))) questions a second")
    if let before, let after = residentMegabytes() { print("proof: \(shown(after - before)) MB more resident") }
}
