// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import Manifests

extension ObjectBatch {
    /// Reads a body: YAML or JSON, one or more documents.
    ///
    /// - Throws: an ``ErrorAnswer`` with every problem of every document.
    init(body bytes: [UInt8]) throws(ErrorAnswer) {
        do {
            self = try ObjectBatch.decode(bytes)
        } catch {
            throw ErrorAnswer(refusal: error)
        }
    }

    /// The keys of a body's objects, each once.
    static func keys(body bytes: [UInt8]) throws(ErrorAnswer) -> [ObjectKey] {
        do {
            return Set(try ObjectBatch.decodeKeys(bytes)).sorted()
        } catch {
            throw ErrorAnswer(refusal: error)
        }
    }
}

extension ErrorAnswer {
    fileprivate init(refusal: ObjectBatch.Refusal) {
        self.init(
            .invalidBody, "nothing was changed: the body is not valid",
            problems: refusal.errors.map { Problem($0, isBody: true) })
    }
}
