// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlViews
import Documents
import Reachability
import YAMLDocuments

/// A claim with a name.
struct Invariant {
    var name: String
    var claim: ReachClaim
    /// Where the file has it; nil: on the command line.
    var line: Int?

    /// The claims of a file.
    ///
    /// - Throws: ``CommandFailure`` with the file and the line.
    static func read(_ path: String, namespace: String) throws -> [Invariant] {
        let bytes = try InputFile.read(path, limit: 16 << 20)
        let document: DocumentNode
        do throws(DocumentError) {
            document = try DocumentReader.read(bytes)
        } catch {
            throw CommandFailure("\(path):\(error.line): \(error.reason)")
        }
        let reader = Reader(path: path, namespace: namespace)
        try reader.expect(document, ["invariants"])
        guard case .sequence(let items)? = document["invariants"]?.value, !items.isEmpty else {
            throw reader.failure(document, "'invariants' must be a list of claims")
        }
        return try items.map(reader.invariant)
    }

    /// What becomes of it.
    func answer(_ map: inout ReachabilityMap) throws -> ClaimAnswer {
        do throws(ReachabilityError) {
            switch try map.prove(claim) {
            case .proven: return answer(ClaimAnswer.proven)
            case .empty: return answer(ClaimAnswer.empty)
            case .counterexample(let flow): return answer(ClaimAnswer.wrong, ReachFlowAnswer(flow))
            }
        } catch {
            throw CommandFailure("\(name): \(error)")
        }
    }

    private func answer(_ result: String, _ flow: ReachFlowAnswer? = nil) -> ClaimAnswer {
        ClaimAnswer(name: name, claim: claim.description, result: result, counterexample: flow, line: line)
    }

    private struct Reader {
        var path: String
        var namespace: String

        func failure(_ node: DocumentNode, _ reason: String) -> CommandFailure {
            CommandFailure("\(path):\(node.line): \(reason)")
        }

        /// A field that means nothing is a typing error, and the claim then another one than meant.
        func expect(_ node: DocumentNode, _ known: Set<String>) throws {
            guard case .mapping(let entries) = node.value else {
                throw failure(node, "must be an object, not \(node.kindInWords)")
            }
            for entry in entries where !known.contains(entry.key) {
                let names = known.sorted().joined(separator: ", ")
                throw CommandFailure("\(path):\(entry.line): unknown field '\(entry.key)': use \(names)")
            }
        }

        func invariant(_ node: DocumentNode) throws -> Invariant {
            try expect(node, ["name", "deny", "allow"])
            let claim: ReachClaim
            switch (node["deny"], node["allow"]) {
            case (let deny?, nil): claim = try self.claim(.deny, deny)
            case (nil, let allow?): claim = try self.claim(.allow, allow)
            default: throw failure(node, "a claim has either 'deny' or 'allow'")
            }
            return Invariant(name: node["name"]?.string ?? claim.description, claim: claim, line: node.line)
        }

        private func claim(_ kind: ReachClaim.Kind, _ node: DocumentNode) throws -> ReachClaim {
            try expect(node, ["from", "to", "ports"])
            do throws(ReachTextError) {
                let ports = try node["ports"].map { ports throws(ReachTextError) in
                    try PortSpan.read(ports.scalarText ?? "")
                }
                return ReachClaim(
                    kind, from: try ReachEnd(node["from"]?.string ?? "", namespace: namespace),
                    to: try ReachEnd(node["to"]?.string ?? "", namespace: namespace), ports: ports ?? PortSpan.all)
            } catch {
                throw failure(node, "\(error)")
            }
        }
    }
}

extension DocumentNode {
    /// A text, or a number as written.
    fileprivate var scalarText: String? {
        if case .integer(let number) = value { return "\(number)" }
        return string
    }
}

extension Words {
    /// A text of others on one line, without control characters.
    static func line(_ text: String) -> String { VisibleText.line(text) }
}
