// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import RequestPolicy
import SPOP
import Testing

/// A running `bulkhead-http decide`, with its files in a directory of its own, and its caller.
final class DeciderProgram: Sendable {
    let directory: TemporaryDirectory
    let logPort: UInt16
    let metricsPort: UInt16
    private let process: NetProcess

    static func policyFile(in directory: TemporaryDirectory) -> String { directory.path + "/policy.jsonl" }
    static func spopSocket(in directory: TemporaryDirectory) -> String { directory.path + "/decider.sock" }

    /// Returns once it answers.
    static func start(
        following socket: String, in directory: TemporaryDirectory? = nil, _ options: [String] = []
    ) async throws -> DeciderProgram {
        let program = try DeciderProgram(following: socket, in: try directory ?? TemporaryDirectory(), options)
        let answers = try await eventually { program.output.contains("answers on") || program.process.status != nil }
        try #require(answers && program.process.status == nil, "\(program.output)")
        return program
    }

    private init(following socket: String, in directory: TemporaryDirectory, _ options: [String]) throws {
        self.directory = directory
        logPort = try Self.freePort(SOCK_DGRAM)
        metricsPort = try Self.freePort(SOCK_STREAM)
        process = try NetProcess(
            [
                try CommandLine.place(of: "bulkhead-http"), "decide", "--spop-socket", Self.spopSocket(in: directory),
                "--requests-socket", socket, "--policy-file", Self.policyFile(in: directory),
                "--haproxy-socket", directory.path + "/haproxy.sock", "--log-port", "\(logPort)",
                "--metrics-address", "127.0.0.1:\(metricsPort)",
            ] + options)
    }

    /// What it has printed, on both outputs.
    var output: String { process.output }

    /// Ends it.
    ///
    /// - Returns: its exit status.
    func stop(_ signal: Int32 = SIGTERM) async throws -> Int32 {
        try await onOwnThread { try self.process.stop(signal, seconds: 60) }
    }

    /// The policy that it keeps for its next run; nil if there is none that can be read.
    var kept: RequestPolicy? {
        let path = Self.policyFile(in: directory)
        guard access(path, F_OK) == 0 else { return nil }
        let bytes = try? CommandLine.bytes(of: path)
        return bytes.flatMap { try? RequestPolicyLines.policy(in: $0) }
    }

    /// A port of the loopback interface that is free at this moment.
    static func freePort(_ type: __socket_type) throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
            }
        }
        try #require(result == 0)
        return UInt16(bigEndian: address.sin_port)
    }

    // MARK: Its callers

    /// HAProxy's question about one flow to the shoes, or about one request if a method is given.
    static func message(from source: String = "10.1.0.1", port: UInt16 = 8080, method: String? = nil) throws
        -> SPOPMessage
    {
        var message = SPOPMessage(
            name: method == nil ? "flow" : "request",
            arguments: [
                .init(name: "source", value: .ipv4(try IPAddress(source).v4)),
                .init(name: "sourcePort", value: .int32(40_000)),
                .init(name: "destination", value: .ipv4(try IPAddress("10.1.0.2").v4)),
                .init(name: "port", value: .int32(Int32(port))),
            ])
        guard let method else { return message }
        message.arguments += [
            .init(name: "method", value: .text(method)), .init(name: "target", value: .text("/shoes?a=b")),
            .init(name: "host", value: .text("shoes")),
        ]
        return message
    }

    /// The verdicts on questions that are asked on one connection, in one write.
    func verdicts(_ messages: [SPOPMessage]) async throws -> [String] {
        let path = Self.spopSocket(in: directory)
        return try await onOwnThread { try SPOPCaller(path).verdicts(messages) }
    }

    func verdict(_ message: SPOPMessage) async throws -> String { try await verdicts([message])[0] }

    func get(_ target: String, method: String = "GET") async throws -> RawAnswer {
        let port = metricsPort
        let bytes = try await onOwnThread {
            let client = try RawClient(port: port)
            client.send(SocketFixture.request(method, target))
            return client.receiveAll()
        }
        return try RawAnswer(bytes)
    }
}

/// HAProxy's side of a connection. Blocks; for one thread.
final class SPOPCaller {
    let client: RawClient
    private var input: [UInt8] = []

    init(_ path: String, greets: Bool = true) throws {
        client = try RawClient(path)
        guard greets else { return }
        var hello: [UInt8] = []
        SPOPFrame.haproxyHello(
            SPOPHello(supportedVersions: ["2.0"], maxFrameSize: 16380, capabilities: ["pipelining", "async"])
        ).append(to: &hello)
        client.send(hello)
        guard case .agentHello = try next() else { throw Unexpected() }
    }

    struct Unexpected: Error {}

    /// The next frame; nil at the end of the connection.
    func next() throws -> SPOPFrame? {
        while true {
            if input.count >= 4 {
                let length = input[..<4].reduce(0) { $0 << 8 | Int($1) }
                if input.count >= 4 + length {
                    defer { input.removeFirst(4 + length) }
                    return try SPOPFrame(Array(input[4..<4 + length]))
                }
            }
            let bytes = client.receive()
            if bytes.isEmpty { return nil }
            input += bytes
        }
    }

    func verdicts(_ messages: [SPOPMessage]) throws -> [String] {
        var bytes: [UInt8] = []
        for (index, message) in messages.enumerated() {
            SPOPFrame.notify(stream: UInt64(index), frame: 1, [message]).append(to: &bytes)
        }
        client.send(bytes)
        return try messages.indices.map { index in
            guard case .acknowledge(UInt64(index), 1, let variables)? = try next(), variables.count == 1,
                case .string(let bytes) = variables[0].value
            else { throw Unexpected() }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
