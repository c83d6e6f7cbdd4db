// SPDX-License-Identifier: Apache-2.0
import Agent
import Glibc
import Testing

@Suite struct ServiceNotifierTests {
    @Test func theServiceManagerIsTold() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/notify"
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        let notifier = ServiceNotifier(path: path)
        #expect(notifier.tell(.ready) && notifier.tell(.stopping))
        var texts: [String] = []
        for _ in 0..<2 {
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            texts.append(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self))
        }
        #expect(texts == ["READY=1", "STOPPING=1"])
    }

    @Test func nobodyAsked() {
        #expect(ServiceNotifier(path: nil).tell(.ready))
        #expect(ServiceNotifier(path: "").tell(.ready))
        #expect(!ServiceNotifier(path: "/tmp/bulkhead-nobody-listens").tell(.ready))
        #expect(!ServiceNotifier(path: String(repeating: "x", count: 200)).tell(.ready))
    }
}
