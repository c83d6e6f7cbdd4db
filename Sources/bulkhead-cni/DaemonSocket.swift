// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Glibc

/// One request on the daemon's control socket.
enum DaemonSocket {
    static func exchange(_ call: ControlCall, at path: String, within milliseconds: Int) throws -> ControlReply {
        let end = Main.milliseconds() + milliseconds
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("make a socket") }
        defer { close(descriptor) }
        limit(descriptor, SO_SNDTIMEO, milliseconds)
        try connect(descriptor, to: path)
        try send(call.bytes, to: descriptor)
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let left = end - Main.milliseconds()
            guard left > 0 else { throw Unreachable("\(path): no answer within \(milliseconds) ms") }
            limit(descriptor, SO_RCVTIMEO, left)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            // The connection ended without an answer because the daemon ended.
            if count < 0 || (count == 0 && answer.isEmpty) { throw Unreachable("\(path): the connection has ended") }
            answer += chunk[..<count]
            if let reply = try ControlReply.read(answer, isWhole: count == 0) { return reply }
        }
    }

    private static func connect(_ descriptor: Int32, to path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else {
            throw CNIError(.invalidConfiguration, "'socket' has more than \(room - 1) bytes", details: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw failure(path) }
    }

    private static func send(_ bytes: [UInt8], to descriptor: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("send the question") }
            rest = rest.dropFirst(count)
        }
    }

    private static func limit(_ descriptor: Int32, _ option: Int32, _ milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    private static func failure(_ what: String) -> Unreachable {
        Unreachable("\(what): \(String(cString: strerror(errno)))")
    }
}
