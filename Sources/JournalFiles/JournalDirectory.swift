// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal

/// The files of the journal: for each ring segments, named after their first record, and the last checkpoint. Together
/// they stay within a limit of bytes; the oldest segments go first.
public struct JournalDirectory: Sendable {
    public let path: String
    /// Half of it is for changes, a quarter for pods of other nodes, and a quarter for the checkpoint.
    public let byteLimit: Int
    package var disk = JournalDisk.system

    public init(path: String, byteLimit: Int) {
        self.path = path
        self.byteLimit = byteLimit
    }

    /// The directory that belongs to a control socket.
    public static func path(beside socket: String) -> String { socket + ".journal" }

    /// The default limit of bytes.
    public static let defaultByteLimit = 4 << 20
    /// The least that holds anything.
    public static let leastByteLimit = 64 << 10

    /// Segments of a ring; more of them lose less when the oldest goes.
    private static let segments = 8
    /// A node whose daemon restarts again and again writes small ones.
    private static let fileLimit = 64

    func byteLimit(of ring: JournalRing) -> Int { ring == .changes ? byteLimit / 2 : byteLimit / 4 }
    func segmentLimit(of ring: JournalRing) -> Int { byteLimit(of: ring) / Self.segments }
    var checkpointLimit: Int { byteLimit / 4 }
    var checkpointPath: String { path + "/checkpoint" }

    /// A segment.
    struct Segment: Hashable {
        var ring: JournalRing
        var name: String
        var first: UInt64
    }

    func path(of segment: Segment) -> String { "\(path)/\(segment.name)" }

    static func segment(_ ring: JournalRing, from first: UInt64) -> Segment {
        let digits = "\(first)"
        let name = "\(ring.rawValue)-" + String(repeating: "0", count: 20 - digits.count) + digits
        return Segment(ring: ring, name: name, first: first)
    }

    /// All segments, each ring's in order.
    func list() throws(JournalFileError) -> [Segment] {
        var segments: [Segment] = []
        for name in try JournalFile.names(in: path) {
            let parts = name.split(separator: "-", maxSplits: 1)
            guard parts.count == 2, parts[1].utf8.count == 20, let ring = JournalRing(rawValue: String(parts[0])),
                let first = UInt64(parts[1]), first < JournalRecord.numberLimit
            else { continue }
            segments.append(Segment(ring: ring, name: name, first: first))
        }
        return segments.sorted { ($0.ring.rawValue, $0.first) < ($1.ring.rawValue, $1.first) }
    }

    func bytes(of segment: Segment) throws(JournalFileError) -> [UInt8] {
        // One record may go beyond the limit of a segment.
        try JournalFile.bytes(
            of: path(of: segment), limit: segmentLimit(of: segment.ring) + 2 * JournalSegment.recordLimit)
    }

    /// Makes the directory. It is the daemon's alone.
    func make() throws(JournalFileError) {
        guard mkdir(path, 0o700) != 0 else { return }
        guard errno == EEXIST else { throw .last(path) }
        var facts = stat()
        guard lstat(path, &facts) == 0 else { throw .last(path) }
        guard facts.st_mode & S_IFMT == S_IFDIR else { throw JournalFileError(path, "it is not a directory") }
        guard facts.st_uid == geteuid(), facts.st_mode & 0o022 == 0 else {
            throw JournalFileError(path, "others may write there")
        }
    }

    /// Renames a file of a newer version, so that a newer daemon finds it.
    func setAside(_ name: String) -> String {
        let aside = "\(path)/newer-\(name)"
        return rename("\(path)/\(name)", aside) == 0 ? aside : "\(path)/\(name)"
    }

    /// Removes the oldest segments of a ring that are over its limit.
    func prune(_ ring: JournalRing) throws(JournalFileError) {
        var sizes: [(Segment, Int)] = []
        for segment in try list() where segment.ring == ring {
            var facts = stat()
            guard lstat(path(of: segment), &facts) == 0 else { continue }
            sizes.append((segment, Int(facts.st_size)))
        }
        var total = sizes.reduce(0) { $0 + $1.1 }
        while total > byteLimit(of: ring) - segmentLimit(of: ring) || sizes.count > Self.fileLimit, sizes.count > 1 {
            let (segment, size) = sizes.removeFirst()
            guard unlink(path(of: segment)) == 0 || errno == ENOENT else { throw .last(path(of: segment)) }
            total -= size
        }
    }
}

/// The content of the journal's files, to be read as records.
public struct JournalContents: Sendable {
    /// Segments of both rings.
    public var segments: [[UInt8]] = []
    /// Files that could not be read at all.
    public var unreadable = 0

    /// All records in order, and how many could not be read.
    public var records: (records: [JournalRecord], damaged: Int) {
        var records: [JournalRecord] = []
        var damaged = unreadable
        for bytes in segments {
            let found = JournalSegment.records(in: bytes)
            records += found.records
            damaged += found.damaged
        }
        records.sort { $0.sequence < $1.sequence }
        return (records, damaged)
    }
}

extension JournalDirectory {
    /// Reads all segments.
    func contents() -> JournalContents {
        var contents = JournalContents()
        guard let segments = try? list() else {
            contents.unreadable = 1
            return contents
        }
        for segment in segments {
            do {
                contents.segments.append(try bytes(of: segment))
            } catch {
                contents.unreadable += 1
            }
        }
        return contents
    }
}
