// SPDX-License-Identifier: Apache-2.0

/// Cuts bytes that arrive in pieces into lines, and reads each. Its memory is bounded by the longest line.
public struct RequestPolicyLines: Sendable {
    public private(set) var reader: RequestPolicyReader
    private var partial: [UInt8] = []

    public init(_ reader: RequestPolicyReader = RequestPolicyReader()) { self.reader = reader }

    /// Empty lines count for nothing: the daemon sends one now and then, so that both sides notice a dead connection.
    ///
    /// - Returns: Whether a batch was completed.
    public mutating func read(_ bytes: some Sequence<UInt8>) throws(RequestPolicyError) -> Bool {
        var isNew = false
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                guard partial.count < RequestPolicyLine.lengthLimit else {
                    throw .lineTooLong(limit: RequestPolicyLine.lengthLimit)
                }
                partial.append(byte)
                continue
            }
            let line = partial
            partial.removeAll(keepingCapacity: line.count < 1 << 16)
            if line.isEmpty { continue }
            let completes = try reader.read(try RequestPolicyLine(json: line))
            isNew = isNew || completes
        }
        return isNew
    }

    /// The policy that a whole document holds, such as a file.
    public static func policy(in document: [UInt8]) throws(RequestPolicyError) -> RequestPolicy {
        var lines = RequestPolicyLines()
        _ = try lines.read(document)
        guard lines.partial.isEmpty, lines.reader.isBetweenBatches, let policy = lines.reader.policy else {
            throw .unfinished
        }
        return policy
    }
}
