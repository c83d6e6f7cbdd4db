// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A number under /proc/sys/net, of the network namespace of the thread that reads or writes it.
public struct KernelSetting: Sendable, Hashable {
    public let path: String

    /// - Parameters:
    ///   - name: as `ipv4/ip_forward`.
    ///   - directory: where settings are.
    public init(_ name: String, in directory: String = "/proc/sys/net") { path = "\(directory)/\(name)" }

    /// - Throws: ``NodeNetworkError/system(operation:code:)``; EINVAL for a text that is not a number.
    public func read() throws(NodeNetworkError) -> Int {
        guard let value = Int(try readText()) else { throw .system(operation: "read \(path)", code: EINVAL) }
        return value
    }

    /// The first line, whatever it is.
    ///
    /// - Throws: ``NodeNetworkError/system(operation:code:)``.
    func readText() throws(NodeNetworkError) -> String {
        let file = try opened(O_RDONLY, "read")
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 32)
        let length = Glibc.read(file, &bytes, bytes.count)
        guard length >= 0 else { throw .system(operation: "read \(path)", code: errno) }
        return String(decoding: bytes[..<length].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// - Throws: ``NodeNetworkError/system(operation:code:)``.
    public func write(_ value: Int) throws(NodeNetworkError) {
        let file = try opened(O_WRONLY, "write")
        defer { close(file) }
        // Without a line break: settings whose handler returns 1 for success, as that of forwarding for IPv6 in Linux 6.1,
        // would seem to have taken only the digit.
        let text = Array("\(value)".utf8)
        guard Glibc.write(file, text, text.count) == text.count else {
            throw .system(operation: "write \(value) to \(path)", code: errno)
        }
    }

    private func opened(_ mode: Int32, _ verb: String) throws(NodeNetworkError) -> Int32 {
        let file = open(path, mode | O_CLOEXEC)
        guard file >= 0 else { throw .system(operation: "\(verb) \(path)", code: errno) }
        return file
    }
}
