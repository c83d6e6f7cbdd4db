// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Datapath
import Glibc

/// A mapped BPF array, and a private copy of what it should hold. All reads use the copy: any process that may open the
/// map can write into it, and a pointer written by others must not lead this process astray.
struct Mirror: ~Copyable {
    let copy: UnsafeMutableRawPointer
    let live: UnsafeMutableRawPointer
    private let bytes: Int
    /// Where the last check ended; checks go from the end to the start, so that the targets of pointers come before
    /// pointers.
    private var position: Int

    private static let blockBytes = 64 << 10

    /// - Parameter live: becomes owned by this value. Its content is assumed to be right.
    init(mapped live: UnsafeMutableRawPointer, bytes: Int) throws(DatapathError) {
        guard
            let copy = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            copy != MAP_FAILED
        else {
            let code = errno
            munmap(live, bytes)
            throw .system(operation: "allocating the copy of the tables", code: code, detail: "")
        }
        // Most pages stay empty, and a page that is never written takes no memory.
        madvise(copy, bytes, MADV_NOHUGEPAGE)
        self.live = live
        self.copy = copy
        self.bytes = bytes
        position = bytes
        var start = 0
        while start < bytes {
            let size = min(4096, bytes - start)
            if memcmp(copy + start, live + start, size) != 0 { memcpy(copy + start, live + start, size) }
            start += size
        }
    }

    deinit {
        munmap(live, bytes)
        munmap(copy, bytes)
    }

    /// Compares the next `limit` bytes and repairs what differs.
    ///
    /// - Returns: the 32-bit words that others had written.
    mutating func repair(limit: Int = .max) -> RepairedWords {
        var words = RepairedWords()
        var left = min(limit, bytes)
        while left > 0 {
            if position == 0 { position = bytes }
            let size = min(Self.blockBytes, position, left)
            position -= size
            left -= size
            if memcmp(copy + position, live + position, size) != 0 { restore(position, size, &words) }
        }
        return words
    }

    private func restore(_ start: Int, _ size: Int, _ words: inout RepairedWords) {
        let wanted = (copy + start).assumingMemoryBound(to: UInt32.self)
        let found = (live + start).assumingMemoryBound(to: UInt32.self)
        for word in stride(from: size / 4 - 1, through: 0, by: -1) where found[word] != wanted[word] {
            bh_store32(found + word, wanted[word])
            words.add(UInt32(start / 4 + word))
        }
    }
}
