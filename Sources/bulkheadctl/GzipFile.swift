// SPDX-License-Identifier: Apache-2.0
import CLibZ
import Glibc

/// Files in gzip's format (RFC 1952), by zlib.
enum GzipFile {
    /// Writes all of `bytes` compressed.
    ///
    /// - Parameter descriptor: stays open.
    static func write(_ bytes: [UInt8], to descriptor: Int32) throws(CommandFailure) {
        let copy = dup(descriptor)
        guard copy >= 0, let file = gzdopen(copy, "wb6") else {
            let reason = String(cString: strerror(errno))
            if copy >= 0 { close(copy) }
            throw CommandFailure("cannot write the archive: \(reason)")
        }
        var rest = bytes[...]
        var isWritten = true
        while isWritten, !rest.isEmpty {
            let part = rest.prefix(1 << 20)
            let count = part.withUnsafeBytes { gzwrite(file, $0.baseAddress, UInt32($0.count)) }
            isWritten = count == part.count
            rest = rest.dropFirst(part.count)
        }
        // The rest is written only now.
        guard gzclose(file) == Z_OK, isWritten else {
            throw CommandFailure("cannot write the archive: \(String(cString: strerror(errno)))")
        }
    }

    /// The content of a file, compressed or not; at most `limit` bytes of it. Nil if it cannot be read.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        guard let file = gzopen(path, "rb") else { return nil }
        defer { gzclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < limit {
            let count = gzread(file, &buffer, UInt32(buffer.count))
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes += buffer[..<Int(count)]
        }
        return Array(bytes.prefix(limit))
    }
}
