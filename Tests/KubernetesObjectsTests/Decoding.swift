// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes
import Testing

func decode(_ json: String) throws -> DecodedDocument {
    ObjectDecoder.decode(try JSONReader.read(Array(json.utf8)), file: "test.json")
}

/// A NetworkPolicy `shop/p` with this spec.
func decodePolicy(spec: String) throws -> DecodedDocument {
    try decode(
        """
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
         "metadata": {"name": "p", "namespace": "shop"}, "spec": \(spec)}
        """)
}

/// The only object of a document without errors.
func onlyPolicy(_ document: DecodedDocument, _ location: SourceLocation = #_sourceLocation) throws -> NetworkPolicy {
    #expect(document.errors.map(\.description) == [], sourceLocation: location)
    guard case .networkPolicy(let policy) = try #require(document.objects.first, sourceLocation: location) else {
        throw UnexpectedKind()
    }
    return policy
}

struct UnexpectedKind: Error {}

/// `path: reason` of each error.
func problems(_ document: DecodedDocument) -> [String] {
    document.errors.map { "\($0.path): \($0.reason)" }
}

/// One wrong input, and what the errors must say: the path, a part of the reason, a part of the hint if any.
struct Refusal: Sendable, CustomTestStringConvertible {
    var input: String
    var path: String
    var reason: String
    var hint: String?

    init(_ input: String, _ path: String, _ reason: String, hint: String? = nil) {
        self.input = input
        self.path = path
        self.reason = reason
        self.hint = hint
    }

    var testDescription: String { "\(input) -> \(path): \(reason)" }

    /// Whether this is the one error of the document, and no object of it is used.
    func check(_ document: DecodedDocument, _ location: SourceLocation = #_sourceLocation) throws {
        #expect(document.objects.isEmpty, sourceLocation: location)
        #expect(document.errors.count == 1, "\(problems(document))", sourceLocation: location)
        let error = try #require(document.errors.first, sourceLocation: location)
        #expect(error.path.description == path, sourceLocation: location)
        #expect(error.reason.contains(reason), "\(error)", sourceLocation: location)
        #expect(error.line > 0 && error.column > 0, sourceLocation: location)
        if let hint {
            #expect(error.hint?.contains(hint) == true, "\(error)", sourceLocation: location)
        } else {
            #expect(error.hint == nil, "\(error)", sourceLocation: location)
        }
    }
}
