// SPDX-License-Identifier: Apache-2.0

/// A file of the journal: a head, then frames. A frame is the length of its record, a checksum over length and record,
/// and the record.
public enum JournalSegment {
    /// The format that is written and read. A file of a newer one is left alone.
    public static let version: UInt32 = 1
    /// Limit of bytes of one record.
    public static let recordLimit = 1 << 20

    private static let magic = Array("BLKHDJNL".utf8)
    package static let headSize = 12
    package static let frameSize = 8

    /// What a file begins with.
    public static var head: [UInt8] { head(of: version) }

    /// Another version, for tests.
    package static func head(of version: UInt32) -> [UInt8] { magic + bytes(of: version) }

    /// Appends a record in its frame.
    public static func append(_ record: JournalRecord, to output: inout [UInt8]) {
        var content: [UInt8] = []
        record.append(to: &content)
        append(framed: content, to: &output)
    }

    /// Appends any bytes in a frame.
    package static func append(framed content: [UInt8], to output: inout [UInt8]) {
        let length = bytes(of: UInt32(content.count))
        output += length
        output += bytes(of: checksum(length, content))
        output += content
    }

    private static func checksum(_ length: some Sequence<UInt8>, _ content: some Sequence<UInt8>) -> UInt32 {
        var checksum = CRC32C()
        checksum.add(length)
        checksum.add(content)
        return checksum.value
    }

    private static func bytes(of value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func value(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// What a file begins with, as far as it is known.
    public enum Head: Sendable, Hashable {
        case readable
        /// Of a newer daemon.
        case newer(UInt32)
        /// Not a file of the journal, or its beginning is damaged.
        case unreadable
    }

    /// Judges the first bytes of a file.
    public static func headKind(_ bytes: [UInt8]) -> Head {
        guard bytes.count >= headSize, Array(bytes[..<magic.count]) == magic else { return .unreadable }
        let version = value(bytes[magic.count..<headSize])
        return version == Self.version ? .readable : version > Self.version ? .newer(version) : .unreadable
    }

    /// The frames of a file.
    public struct Frames: Sendable {
        /// Their contents, as ranges of the file.
        public var contents: [Range<Int>] = []
        /// Frames that were passed over, and ends that could not be read.
        public var damaged = 0
        /// Whether every byte belongs to a good frame, so that the file may grow.
        public var isWhole: Bool { damaged == 0 }
    }

    /// Finds the frames. A frame with a wrong checksum is passed over if a good one follows right after it; otherwise
    /// its length cannot be trusted, and the file ends there. Each step moves forward, so the time is linear.
    public static func frames(in bytes: [UInt8]) -> Frames {
        var frames = Frames()
        guard headKind(bytes) == .readable else {
            frames.damaged = 1
            return frames
        }
        var position = headSize
        while position < bytes.count {
            let (range, isGood) = frame(at: position, bytes)
            guard let range else {
                frames.damaged += 1
                return frames
            }
            if isGood {
                frames.contents.append(range)
            } else {
                frames.damaged += 1
                guard frame(at: range.upperBound, bytes).isGood else { return frames }
            }
            position = range.upperBound
        }
        return frames
    }

    /// The content of the frame that begins here; nil if it does not fit.
    private static func frame(at position: Int, _ bytes: [UInt8]) -> (range: Range<Int>?, isGood: Bool) {
        let start = position + frameSize
        guard start <= bytes.count else { return (nil, false) }
        let length = bytes[position..<position + 4]
        let count = Int(value(length))
        guard count <= recordLimit, start + count <= bytes.count else { return (nil, false) }
        let content = bytes[start..<start + count]
        return (start..<start + count, value(bytes[position + 4..<start]) == checksum(length, content))
    }

    /// The records of a file, and how much of it was damaged.
    public static func records(in bytes: [UInt8]) -> (records: [JournalRecord], damaged: Int) {
        let frames = frames(in: bytes)
        let records = frames.contents.compactMap { JournalRecord(bytes[$0]) }
        return (records, frames.damaged + frames.contents.count - records.count)
    }
}
