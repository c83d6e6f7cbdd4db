// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Whole files and standard input.
enum InputFile {
    /// The bytes of the file, or of standard input for `-`.
    ///
    /// - Throws: ``CommandFailure`` if it cannot be read or has more than `limit` bytes.
    static func read(_ path: String, limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try forEachChunk(path) { chunk in
            guard bytes.count + chunk.count <= limit else {
                throw CommandFailure("\(path) has more than \(limit) bytes")
            }
            bytes.append(contentsOf: chunk)
        }
        return bytes
    }

    /// Passes on the file, or standard input for `-`, piece by piece.
    static func forEachChunk(_ path: String, _ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandFailure("cannot open \(path): \(reason())") }
        defer { if path != "-" { close(descriptor) } }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CommandFailure("cannot read \(path): \(reason())") }
            if count == 0 { return }
            try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}
