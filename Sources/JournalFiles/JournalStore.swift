// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal

/// The open segments of both rings.
struct JournalStore {
    private struct Open {
        var segment: JournalDirectory.Segment
        var descriptor: Int32
        /// Bytes of whole frames.
        var size: Int
        /// What a crash of the node would lose.
        var isDirty = false
    }

    let directory: JournalDirectory
    private var open: [JournalRing: Open] = [:]

    init(directory: JournalDirectory) { self.directory = directory }

    /// Goes on with a segment that is whole and has room.
    mutating func resume(_ segment: JournalDirectory.Segment, size: Int) throws(JournalFileError) {
        guard open[segment.ring] == nil, size < directory.segmentLimit(of: segment.ring) else { return }
        let path = directory.path(of: segment)
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last(path) }
        open[segment.ring] = Open(segment: segment, descriptor: descriptor, size: size)
    }

    /// Appends a frame.
    ///
    /// - Returns: whether a new segment began.
    mutating func append(
        _ frame: [UInt8], _ ring: JournalRing, sequence: UInt64
    ) throws(JournalFileError) -> Bool {
        var rotates = open[ring] == nil
        if let old = open[ring], old.size + frame.count > directory.segmentLimit(of: ring),
            old.size > JournalSegment.headSize
        {
            rotates = true
            closeSegment(ring)
        }
        if rotates { try begin(ring, sequence) }
        guard var current = open[ring] else { return rotates }
        let path = directory.path(of: current.segment)
        do {
            try JournalFile.write(frame, to: current.descriptor, path, directory.disk)
        } catch {
            // Half a frame must not hide what comes after it.
            let isCut = ftruncate(current.descriptor, off_t(current.size)) == 0
            if !isCut || current.size == JournalSegment.headSize { closeSegment(ring) }
            throw error
        }
        current.size += frame.count
        current.isDirty = true
        open[ring] = current
        return rotates
    }

    private mutating func begin(_ ring: JournalRing, _ sequence: UInt64) throws(JournalFileError) {
        try directory.prune(ring)
        let segment = JournalDirectory.segment(ring, from: sequence)
        let path = directory.path(of: segment)
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .last(path) }
        do {
            try JournalFile.write(JournalSegment.head, to: descriptor, path)
        } catch {
            close(descriptor)
            unlink(path)
            throw error
        }
        open[ring] = Open(segment: segment, descriptor: descriptor, size: JournalSegment.headSize)
    }

    private mutating func closeSegment(_ ring: JournalRing) {
        guard let old = open.removeValue(forKey: ring) else { return }
        if old.isDirty { fdatasync(old.descriptor) }
        close(old.descriptor)
    }

    /// Whether a crash of the node would lose something.
    var isDirty: Bool { open.values.contains(where: \.isDirty) }

    /// Waits until the disk has everything.
    mutating func sync() throws(JournalFileError) {
        for (ring, current) in open where current.isDirty {
            guard fdatasync(current.descriptor) == 0 else { throw .last(directory.path(of: current.segment)) }
            open[ring]?.isDirty = false
        }
    }

    /// Replaces the checkpoint, if it is within its limit; otherwise there is none, and that is an error.
    func write(_ checkpoint: JournalCheckpoint) throws(JournalFileError) {
        guard let bytes = checkpoint.bytes(limit: directory.checkpointLimit) else {
            unlink(directory.checkpointPath)
            throw JournalFileError(
                directory.checkpointPath,
                "the present state takes more than \(directory.checkpointLimit) bytes: the past before the next start "
                    + "will not be known")
        }
        try JournalFile.replace(directory.checkpointPath, with: bytes)
    }

    mutating func closeAll() {
        for ring in JournalRing.allCases { closeSegment(ring) }
    }
}
