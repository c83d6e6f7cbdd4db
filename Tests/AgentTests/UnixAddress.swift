// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The address of a unix socket, for calls such as bind(2) and connect(2).
struct UnixAddress {
    private var address = sockaddr_un()
    private let size: socklen_t

    /// - Parameter name: a path, which must fit, or an abstract name after `@`.
    init(_ name: String) {
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        size = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    }

    /// Whether the call returns 0.
    func succeeds(_ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32, _ descriptor: Int32) -> Bool {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, size) == 0 }
        }
    }
}
