// SPDX-License-Identifier: Apache-2.0
import PolicyOracle

/// What decided the flows of many worlds: shows whether the worlds try everything.
public struct WorldStatistics: Sendable {
    public private(set) var allowed = 0
    public private(set) var denied = 0
    /// Of directions.
    public private(set) var answers: [OracleAnswer: Int] = [:]

    public init() {}

    public mutating func count(_ verdict: OracleVerdict) {
        if verdict.verdict == .allow { allowed += 1 } else { denied += 1 }
        for answer in [verdict.egressAnswer, verdict.ingressAnswer].compactMap({ $0 }) {
            answers[answer, default: 0] += 1
        }
    }

    /// Directions that were answered so.
    public func directions(where isSo: (OracleAnswer) -> Bool) -> Int {
        answers.reduce(0) { $0 + (isSo($1.key) ? $1.value : 0) }
    }

    /// Of directions, by cause.
    public var causes: [OracleCause: Int] {
        answers.reduce(into: [:]) { $0[$1.key.cause, default: 0] += $1.value }
    }

    /// Directions that a rule with this kind of peer, or of port, decided.
    public func decisions(through peer: OraclePeerKind) -> Int { sum { $0.peer == peer } }
    public func decisions(through port: OraclePortKind) -> Int { sum { $0.port == port } }

    private func sum(_ counts: ((peer: OraclePeerKind, port: OraclePortKind)) -> Bool) -> Int {
        causes.reduce(0) { sum, entry in
            guard case .rule(let peer, let port) = entry.key, counts((peer, port)) else { return sum }
            return sum + entry.value
        }
    }

    public var description: String {
        let flows = max(allowed + denied, 1)
        let causes = causes
        let directions = max(causes.values.reduce(0, +), 1)
        func percent(_ count: Int, of whole: Int) -> String {
            let tenths = count * 1000 / whole
            return "\(tenths / 10).\(tenths % 10) %"
        }
        var lines = [
            "\(flows) flows: \(percent(allowed, of: flows)) allowed, \(percent(denied, of: flows)) denied; "
                + "\(directions) directions:"
        ]
        let sorted = causes.sorted { ($0.value, $0.key.description) > ($1.value, $1.key.description) }
        lines += sorted.map { "  \(percent($0.value, of: directions)) \($0.key)" }
        return lines.joined(separator: "\n")
    }
}
