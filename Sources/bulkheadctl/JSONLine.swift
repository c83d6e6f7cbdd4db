// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import ControlProtocol
import Documents
import PolicyModel

/// Writes answers as JSON straight into a buffer, with the fields of ``VerdictAnswer``; a general encoder takes twenty
/// times as long as the verdict itself.
enum JSONLine {
    static func append(_ decision: ClusterDecision, to output: inout [UInt8]) {
        field("verdict", decision.verdict.rawValue, to: &output, first: true)
        field("flow", decision.flow.description, to: &output)
        output.append(contentsOf: #","egress":"#.utf8)
        append(decision.egress, to: &output)
        output.append(contentsOf: #","ingress":"#.utf8)
        append(decision.ingress, to: &output)
        if let note = decision.note { field("note", note, to: &output) }
        output.append(UInt8(ascii: "}"))
    }

    private static func append(_ direction: ClusterDirection, to output: inout [UInt8]) {
        field("verdict", direction.verdict.rawValue, to: &output, first: true)
        field("kind", direction.kind.rawValue, to: &output)
        field("reason", direction.reason, to: &output)
        if let endpoint = direction.endpoint { field("endpoint", endpoint.description, to: &output) }
        if let identity = direction.identity {
            output.append(contentsOf: #","rule":"#.utf8)
            append(identity, to: &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    private static func append(_ identity: RuleIdentity, to output: inout [UInt8]) {
        let answer = RuleAnswer(identity)
        field("kind", answer.kind.rawValue, to: &output, first: true)
        if let direction = answer.direction { field("direction", direction, to: &output) }
        if let policy = answer.policy {
            output.append(contentsOf: #","policy":"#.utf8)
            append(policy, to: &output)
        }
        if let index = answer.index { output.append(contentsOf: #","index":\#(index)"#.utf8) }
        if let name = answer.name { field("name", name, to: &output) }
        if let by = answer.by {
            output.append(contentsOf: #","by":["#.utf8)
            for (index, policy) in by.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                append(policy, to: &output)
            }
            output.append(UInt8(ascii: "]"))
        }
        output.append(UInt8(ascii: "}"))
    }

    private static func append(_ policy: PolicyName, to output: inout [UInt8]) {
        field("kind", policy.kind, to: &output, first: true)
        field("namespace", policy.namespace, to: &output)
        field("name", policy.name, to: &output)
        output.append(UInt8(ascii: "}"))
    }

    private static func field(_ name: StaticString, _ value: String, to output: inout [UInt8], first: Bool = false) {
        output.append(UInt8(ascii: first ? "{" : ","))
        output.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { output.append(contentsOf: $0) }
        output.append(contentsOf: "\":".utf8)
        JSONString.append(value, to: &output)
    }
}
