// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import PrometheusText
import SelfProof

extension Agent where Plane: ~Copyable {
    /// Disagreements that were not repaired yet, for ``health()``.
    func proofProblems() -> [String] {
        guard let first = proving.standing.first else { return [] }
        let count = proving.standing.count
        let more = count > 1 ? " (and \(count - 1) more)" : ""
        return ["the kernel decides otherwise than policy: \(first)\(more)"]
    }

    /// Why the kernel's answers are not compared with policy.
    func proofCondition() -> StatusCondition? {
        guard proving.pace != nil, let failure = proving.failure else { return nil }
        return StatusCondition(
            .notProven, isProblem: failure.isDamage,
            "whether the kernel decides as policy says is not verified: \(failure)")
    }

    func proofMetrics() -> [MetricFamily] {
        let age = proving.lastTurn.map { (ContinuousClock.now - $0) / .seconds(1) }
        return [
            .counters(
                "bulkhead_verified_total",
                "Questions that kernel and policy were both asked by the self-proof, by what each was meant to find.",
                by: "kind", Prover.Aim.allCases.map { ($0.rawValue, proving.verified[$0] ?? 0) }),
            .counter(
                "bulkhead_disagreements_total",
                "Questions that kernel and policy answered differently, and that no change explains.",
                proving.disagreements),
            .gauge(
                "bulkhead_disagreements", "Disagreements of kernel and policy that have not been repaired yet.",
                proving.standing.count),
            .counter(
                "bulkhead_selfproof_comparisons_total",
                "Completed comparisons of all tables with policy.", proving.comparisons),
            MetricFamily(
                "bulkhead_selfproof_seconds_total", "Processor time used by the self-proof.", .counter,
                [.init(value: .number(proving.processorTime / .seconds(1)))]),
            MetricFamily(
                "bulkhead_selfproof_age_seconds", "Time since the last turn of the self-proof.", .gauge,
                age.map { [MetricFamily.Sample(value: .number($0))] } ?? []),
            .gauge(
                "bulkhead_selfproof_possible",
                "Whether the self-proof is on and the kernel answers it.",
                proving.pace != nil && proving.hasAnswered && proving.failure == nil),
        ]
    }
}
