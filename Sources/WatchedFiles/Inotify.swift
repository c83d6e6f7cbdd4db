// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An inotify(7) instance, non-blocking. Its owner closes it.
package struct Inotify: Sendable {
    package struct Event: Sendable, Hashable {
        package var watch: Int32
        package var mask: UInt32
        /// The same for the two halves of a rename; 0 for other events.
        package var cookie: UInt32
        /// Empty for events of the watched directory itself.
        package var name: String

        package func has(_ bits: Int32...) -> Bool { bits.contains { mask & UInt32(bitPattern: $0) != 0 } }
    }

    package let descriptor: Int32

    package init(for path: String) throws(FileAccessError) {
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { throw FileAccessError(path, "inotify_init1") }
    }

    package func close() { _ = Glibc.close(descriptor) }

    /// Watches a directory; nil if that is not possible.
    package func watch(_ path: String, _ mask: [Int32]) -> Int32? {
        let bits = mask.reduce(UInt32(IN_ONLYDIR)) { $0 | UInt32(bitPattern: $1) }
        let watch = inotify_add_watch(descriptor, path, bits)
        return watch >= 0 ? watch : nil
    }

    package func unwatch(_ watch: Int32) { _ = inotify_rm_watch(descriptor, watch) }

    /// All waiting events.
    package func drain() -> [Event] {
        var events: [Event] = []
        let size = 64 << 10
        withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { buffer in
            while true {
                let count = Glibc.read(descriptor, buffer.baseAddress, size)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                Self.parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]), into: &events)
            }
        }
        return events
    }

    private static func parse(_ buffer: UnsafeRawBufferPointer, into events: inout [Event]) {
        let headerSize = MemoryLayout<inotify_event>.size
        var offset = 0
        while offset + headerSize <= buffer.count {
            let header = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
            let nameStart = offset + headerSize
            let nameEnd = min(nameStart + Int(header.len), buffer.count)
            let name = String(decoding: buffer[nameStart..<nameEnd].prefix { $0 != 0 }, as: UTF8.self)
            events.append(Event(watch: header.wd, mask: header.mask, cookie: header.cookie, name: name))
            offset = nameEnd
        }
    }
}
