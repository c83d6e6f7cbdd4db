// SPDX-License-Identifier: Apache-2.0
import Glibc

extension ClusterAccess.Content {
    /// Far above the size of any certificate chain or token.
    static let sizeLimit = 1 << 20

    /// The present content. Reads a file: do not call this where blocking is not allowed.
    func read() throws(AccessError) -> [UInt8] {
        switch self {
        case .bytes(let bytes): return bytes
        case .file(let path): return try Self.read(path)
        }
    }

    static func read(_ path: String) throws(AccessError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw AccessError(source: path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw AccessError(source: path, reason: String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= sizeLimit else {
                throw AccessError(source: path, reason: "is larger than \(sizeLimit) bytes")
            }
        }
        guard !bytes.isEmpty else { throw AccessError(source: path, reason: "is empty") }
        return bytes
    }

    /// A token: the present content, without surrounding space.
    func readToken(_ source: String) throws(AccessError) -> String {
        let bytes = try read()
        let isVisible: (UInt8) -> Bool = { $0 > 0x20 && $0 < 0x7f }
        guard let first = bytes.firstIndex(where: isVisible), let last = bytes.lastIndex(where: isVisible),
            bytes[first...last].allSatisfy(isVisible)
        else { throw AccessError(source: source, reason: "is no token") }
        return String(decoding: bytes[first...last], as: UTF8.self)
    }

    /// Its name in errors.
    func name(in source: String) -> String {
        if case .file(let path) = self { path } else { source }
    }
}
