// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FlowTelemetry
import FoundationEssentials
import NIOCore

/// JSON as the control socket speaks it. Answers and bodies are declared as `Codable` types, and their keys are the
/// documents' contract; Foundation's coders derive both directions from the declarations. Everything else is read and
/// written by the module `Documents`.
package enum ControlJSON {
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    /// Decodes a JSON body.
    ///
    /// - Throws: an ``ErrorAnswer`` that says which field is wrong.
    static func decode<Body: Decodable>(_ bytes: [UInt8], _ what: String) throws(ErrorAnswer) -> Body {
        do {
            return try JSONDecoder().decode(Body.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw ErrorAnswer(.invalidBody, "nothing was changed: \(what) is not valid", problems: [Problem(error)])
        } catch {
            throw ErrorAnswer(.invalidBody, "the body is not JSON")
        }
    }

    /// A batch of records, one per line, and a last one if some were lost.
    static func lines<Record: StreamRecord>(_ batch: Backlog<Record>.Batch) throws -> ByteBuffer {
        var records = batch.elements
        if batch.lost > 0 { records.append(.missing(batch.lost)) }
        var buffer = ByteBuffer()
        for record in records {
            buffer.writeBytes(try encode(record))
            buffer.writeInteger(UInt8(ascii: "\n"))
        }
        return buffer
    }
}
