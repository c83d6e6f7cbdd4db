// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream into lines, in time linear in its bytes, whatever its pieces.
struct LineFrames: Sendable {
    private var buffer: [UInt8] = []
    /// Where the next line begins, and the end of the part without a line feed.
    private var start = 0
    private var scanned = 0
    let limit: Int

    init(limit: Int) { self.limit = limit }

    mutating func push(_ bytes: [UInt8]) {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 16)
            (start, scanned) = (0, 0)
        } else if start > 1 << 16 {
            buffer.removeSubrange(..<start)
            (start, scanned) = (0, scanned - start)
        }
        buffer += bytes
    }

    /// The next complete line that is not empty; nil if more bytes are needed.
    ///
    /// - Throws: ``WatchFailure/tooLarge(limit:)``.
    mutating func next() throws(WatchFailure) -> [UInt8]? {
        while let end = buffer[scanned...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = buffer[start..<end]
            (start, scanned) = (end + 1, end + 1)
            guard line.count <= limit else { throw .tooLarge(limit: limit) }
            if line.contains(where: { $0 > UInt8(ascii: " ") }) { return Array(line) }
        }
        scanned = buffer.count
        guard scanned - start <= limit else { throw .tooLarge(limit: limit) }
        return nil
    }
}
