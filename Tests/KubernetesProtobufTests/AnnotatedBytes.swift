// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import KubernetesObjects
import KubernetesProtobuf

/// Bytes written with their meaning beside them: pairs of hexadecimal digits, texts in quotes, `#` and the rest of the
/// line a comment.
func annotated(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for line in text.split(separator: "\n") {
        for (index, part) in line.prefix(while: { $0 != "#" }).split(
            separator: "\"", omittingEmptySubsequences: false
        ).enumerated() {
            if index % 2 == 1 {
                bytes += Array(part.utf8)
            } else {
                for word in part.split(separator: " ") {
                    guard word.count == 2, let byte = UInt8(word, radix: 16) else {
                        preconditionFailure("no byte: \(word)")
                    }
                    bytes.append(byte)
                }
            }
        }
    }
    return bytes
}

func json(_ text: String) throws -> DocumentNode { try JSONReader.read(Array(text.utf8)) }

/// A policy `shop/p` with this spec, in JSON.
func policyJSON(spec: String) throws -> DocumentNode {
    try json(
        """
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
         "metadata": {"name": "p", "namespace": "shop", "resourceVersion": "7"}, "spec": \(spec)}
        """)
}

/// What an API server would send for one object, read.
func readBack(_ node: DocumentNode, _ kind: ObjectKind) throws -> DecodedObject {
    let body = try ProtobufWriter.list(of: kind, [node], metadata: try json(#"{"resourceVersion": "1"}"#))
    let list = try ProtobufList.decode(body, kind: kind)
    guard list.objects.count == 1 else { throw WrongCount(count: list.objects.count) }
    return list.objects[0]
}

struct WrongCount: Error { var count: Int }
