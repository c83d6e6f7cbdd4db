// SPDX-License-Identifier: Apache-2.0
import Documents
import FuzzDriver
import Glibc
import KubernetesObjects

/// Any bytes as JSON: read within the limits or refused at a place inside the text; what was read decodes or is
/// refused.
private func fuzzJSON(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    do throws(JSONError) {
        let node = try JSONReader.read(bytes)
        precondition(depth(node) <= JSONReader.Limits().depth)
        let document = ObjectDecoder.decode(node, file: "f.json")
        precondition(document.errors.isEmpty || document.items.isEmpty)
        precondition(!document.errors.isEmpty || document.keys.count == document.items.count)
        _ = document.errors.map(\.description)
        checkLenient(node, strict: document)
    } catch {
        precondition(error.line >= 1 && error.column >= 1 && error.column <= bytes.count + 1)
    }
    return 0
}

/// What is strictly valid means the same leniently; what is not understood never opens a rule.
private func checkLenient(_ node: DocumentNode, strict: DecodedDocument) {
    let lenient = ObjectDecoder.decode(node, file: "f.json", mode: .lenient)
    if strict.errors.isEmpty { precondition(lenient.items == strict.items && lenient.notUnderstood.isEmpty) }
    for case .tierPolicy(let policy) in lenient.objects {
        for rule in policy.ingress + policy.egress where rule.unknown.isEmpty {
            precondition(!rule.peers.isEmpty && rule.ports != [])
        }
    }
}

private func depth(_ node: DocumentNode) -> Int {
    switch node.value {
    case .mapping(let entries): 1 + (entries.map { depth($0.value) }.max() ?? 0)
    case .sequence(let items): 1 + (items.map(depth).max() ?? 0)
    case .string, .integer, .float, .bool, .null: 0
    }
}

@main enum JSONFuzz {
    static func main() { exit(fuzz(fuzzJSON)) }
}
