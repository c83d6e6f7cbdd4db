// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import ControlProtocol
import Documents

/// Answers a file of questions, line by line, in order.
struct BulkVerdict {
    /// Limit of bytes per line; a question has about a hundred.
    private static let lineLimit = 1 << 16
    private static let outputChunk = 1 << 16

    var cluster: ClusterVerdict
    /// Of pods that are named without one.
    private let namespace: String
    private(set) var errors = 0
    private(set) var denials = 0
    /// Answers that depend on the request.
    private(set) var dependent = 0
    private var output: [UInt8] = []

    init(cluster: ClusterVerdict, namespace: String) {
        self.cluster = cluster
        self.namespace = namespace
    }

    mutating func run(_ path: String) throws {
        var rest: [UInt8] = []
        try InputFile.forEachChunk(path) { chunk in
            var start = chunk.startIndex
            while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
                if rest.isEmpty {
                    take(UnsafeRawBufferPointer(rebasing: chunk[start..<end]))
                } else {
                    rest.append(contentsOf: chunk[start..<end])
                    rest.withUnsafeBytes { take($0) }
                    rest.removeAll(keepingCapacity: true)
                }
                start = end + 1
            }
            rest.append(contentsOf: chunk[start...])
            guard rest.count <= Self.lineLimit else {
                flush()
                throw CommandFailure("a line of \(path) has more than \(Self.lineLimit) bytes")
            }
        }
        if !rest.isEmpty { rest.withUnsafeBytes { take($0) } }
        flush()
    }

    private mutating func take(_ line: UnsafeRawBufferPointer) {
        // A blank line asks nothing, so it has no answer.
        guard line.contains(where: { !$0.isJSONSpace }) else { return }
        do {
            let query = try QueryLine.parse(line, namespace: namespace)
            guard let question = query.question else { throw query.serviceError }
            let answer = try cluster.answer(question, request: query.request)
            switch answer.verdict {
            case .allow: break
            case .deny: denials += 1
            case .dependsOnRequest: dependent += 1
            }
            JSONLine.append(answer, to: &output)
        } catch {
            errors += 1
            output.append(contentsOf: #"{"error":"#.utf8)
            JSONString.append("\(error)", to: &output)
            output.append(UInt8(ascii: "}"))
        }
        output.append(UInt8(ascii: "\n"))
        if output.count >= Self.outputChunk { flush() }
    }

    private mutating func flush() {
        Terminal.write(output)
        output.removeAll(keepingCapacity: true)
    }
}
