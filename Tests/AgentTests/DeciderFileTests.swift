// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import RequestPolicy
import SPOP
import Testing

/// What a decider keeps for its next run, what it makes of a file that is not its own, and wrong options.
@Suite(.serialized) struct DeciderFileTests {
    /// POST is allowed to the shoes, for all.
    private static var policy: RequestPolicy {
        var policy = RequestPolicy()
        policy.generation = 3
        let writer = PolicyReference(kind: PolicyReference.authorizationKind, namespace: "shop", name: "writer")
        let post = RequestMatch(conditions: [RequestCondition(.method, [.text(.exact("POST"))])])
        policy.programs[1] = RequestProgram(rules: [
            RequestRule(identity: .rule(writer, .ingress, index: 0, name: nil), action: .allow, request: post),
            RequestRule(identity: .isolation(.ingress, by: [writer]), action: .deny),
        ])
        policy.endpoints[1] = RequestEndpoint(name: "shop/shoes", addresses: [IPAddress(v4: 0x0a01_0002)], program: 1)
        return policy
    }

    private static var text: String { String(decoding: RequestPolicyChange(policy).bytes, as: UTF8.self) }

    private func verdicts(_ program: DeciderProgram) async throws -> [String] {
        try await program.verdicts([
            try DeciderProgram.message(), try DeciderProgram.message(method: "POST"),
            try DeciderProgram.message(method: "GET"),
        ])
    }

    @Test func theLastPolicyOutlivesTheProgram() async throws {
        let directory = try TemporaryDirectory()
        try write(Self.text, to: DeciderProgram.policyFile(in: directory))
        for _ in 0..<2 {
            let program = try await DeciderProgram.start(following: directory.path + "/none", in: directory)
            #expect(try await verdicts(program) == ["ask", "allow", "deny"])
            #expect(try await program.get("/healthz").status == 200)
            #expect(program.kept == Self.policy)
            // Killed: its socket's file stays, and the next run replaces it.
            #expect(try await program.stop(SIGKILL) == 128 + SIGKILL)
        }
    }

    enum Damage: String, CaseIterable {
        case anotherByte, cut, empty, twice, huge, link, pipe, directory, unreadableLine
    }

    /// A file that is of no use decides nothing, and the next policy replaces it, and nothing else.
    @Test(arguments: Damage.allCases)
    func aFileOfNoUseIsReplaced(damage: Damage) async throws {
        let directory = try TemporaryDirectory()
        let path = DeciderProgram.policyFile(in: directory)
        let other = directory.path + "/other"
        try write(Self.text, to: other)
        defer { if damage == .directory { rmdir(path) } }
        try Self.make(damage, at: path, linkingTo: other)
        let socket = directory.path + "/requests.sock"
        let program = try await DeciderProgram.start(following: socket, in: directory)
        #expect(try await verdicts(program) == ["deny", "unknown", "unknown"])
        try await SocketFixture.serve(RequestFixture.world, scope: .requests(users: []), at: socket) {
            fixture async throws in
            #expect(try await eventually { try await verdicts(program) == ["ask", "allow", "deny"] })
            if damage == .directory {
                #expect(try await eventually { program.output.contains("policy.jsonl: ") })
            } else {
                let expected = RequestPolicy(fixture.kernel.policy, generation: 0)
                #expect(try await eventually { program.kept?.hasSameRules(as: expected) == true })
            }
        }
        #expect(try String(decoding: CommandLine.bytes(of: other), as: UTF8.self) == Self.text)
        #expect(try await program.stop() == 0)
    }

    private static func make(_ damage: Damage, at path: String, linkingTo other: String) throws {
        switch damage {
        case .anotherByte: try write(text.replacing("POST", with: "PORT"), to: path)
        case .cut: try write(String(text.dropLast(9)), to: path)
        case .empty: try write("", to: path)
        case .twice: try write(text + text.replacing(#"{"line":"reset"}"#, with: #"{"line":"rest"}"#), to: path)
        case .unreadableLine: try write(text + "\u{0}\n", to: path)
        case .link: try #require(symlink(other, path) == 0)
        case .pipe: try #require(mkfifo(path, 0o600) == 0)
        case .directory: try #require(mkdir(path, 0o700) == 0)
        case .huge:
            try write(text, to: path)
            // Zeros that take no room on the disk.
            try #require(truncate(path, 513 << 20) == 0)
        }
    }

    /// A daemon in error: what it says of a policy does not fit. The decider keeps what it has and begins again.
    @Test func aWrongChecksumLeadsToAFreshStart() async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.path + "/requests.sock"
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n"
        // Each connection gets one of these; the last one stays open.
        let wrong = Self.text.replacing("POST", with: "PORT")
        let cut = String(Self.text.dropLast(20))
        let long = String(repeating: "x", count: RequestPolicyLine.lengthLimit + 1)
        let answers = [
            answer + wrong, "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "nonsense\r\n\r\n", answer + cut,
            answer + long, answer + "\n\n" + wrong, answer + Self.text,
        ]
        let listener = try UnixListener(socket)
        let serving = Task { try await onOwnThread { try listener.serve(answers) } }
        let program = try await DeciderProgram.start(following: socket, in: directory)
        #expect(try await eventually { try await verdicts(program) == ["ask", "allow", "deny"] })
        #expect(program.kept == nil || program.kept == Self.policy)
        #expect(program.output.contains("the checksum should be"), "\(program.output)")
        #expect(program.output.contains("the daemon answers 503"))
        #expect(program.output.contains("a line exceeds the limit"))
        #expect(try await program.stop() == 0)
        // What it learned last is kept before it ends.
        #expect(program.kept == Self.policy)
        try await serving.value
    }

    /// A decider that cannot work keeps what it has learned all the same.
    @Test func whatWasLearnedIsKeptByADeciderThatCannotListen() async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.path + "/requests.sock"
        let listener = try UnixListener(socket)
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n"
        let serving = Task { try await onOwnThread { try listener.serve([head + Self.text]) } }
        let path = DeciderProgram.policyFile(in: directory)
        let port = try DeciderProgram.freePort(SOCK_DGRAM)
        let result = try await onOwnThread {
            try CommandLine.run(
                "bulkhead-http",
                [
                    "decide", "--requests-socket", socket, "--policy-file", path, "--log-port", "\(port)",
                    "--spop-socket", directory.path + "/none/decider.sock",
                ])
        }
        #expect(result.status == 1 && result.complaints.contains("(--spop-socket): "), "\(result)")
        #expect(try String(decoding: CommandLine.bytes(of: path), as: UTF8.self) == Self.text)
        try await serving.value
    }

    @Test(arguments: [
        (["--metrics-address", "9469"], "--metrics-address needs an address and a port"),
        (["--metrics-address", "0.0.0.0:0"], "--metrics-address needs an address and a port"),
        (["--metrics-address", "localhost:9469"], "--metrics-address needs an address and a port"),
        (["--log-port", "0"], "--log-port is between 1 and 65535"),
        (["--log-port", "65536"], "--log-port is between 1 and 65535"),
        (["--log-port", "x"], "'x' is invalid"), (["--nonsense"], "Unknown option '--nonsense'"),
        (["more"], "Unexpected argument 'more'"),
    ])
    func wrongOptions(options: [String], problem: String) async throws {
        let result = try await onOwnThread { try CommandLine.run("bulkhead-http", ["decide"] + options) }
        #expect(result.status == 64 && result.complaints.contains(problem), "\(result)")
        #expect(result.output.isEmpty)
    }

    /// It cannot do its work: it ends and says why.
    @Test(arguments: ["--spop-socket", "--log-port", "--metrics-address"])
    func whatIsTakenIsSaid(option: String) async throws {
        let directory = try TemporaryDirectory()
        let holder = try await DeciderProgram.start(following: directory.path + "/none")
        let values = [
            "--spop-socket": directory.path + "/none/decider.sock", "--log-port": "\(holder.logPort)",
            "--metrics-address": "127.0.0.1:\(holder.metricsPort)",
        ]
        let value = try #require(values[option])
        let others = option == "--log-port" ? [] : ["--log-port", "\(try DeciderProgram.freePort(SOCK_DGRAM))"]
        let sockets = option == "--spop-socket" ? [] : ["--spop-socket", directory.path + "/decider.sock"]
        let result = try await onOwnThread {
            try CommandLine.run(
                "bulkhead-http",
                ["decide", "--requests-socket", directory.path + "/none", "--policy-file", directory.path + "/p"]
                    + others + sockets + [option, value])
        }
        #expect(result.status == 1 && result.complaints.contains("(\(option)): "), "\(result)")
        #expect(try await holder.stop() == 0)
    }
}

/// A socket whose clients each get one answer, whatever they ask for with GET. Blocks.
final class UnixListener: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(UnixAddress(path).succeeds(bind, descriptor) && listen(descriptor, 8) == 0)
        var limit = timeval(tv_sec: 120, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Gives each client in turn its answer, and the last one the end when it leaves.
    func serve(_ answers: [String]) throws {
        var buffer = [UInt8](repeating: 0, count: 4096)
        for (index, answer) in answers.enumerated() {
            let client = try nextReader(&buffer)
            defer { close(client) }
            let bytes = Array(answer.utf8)
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes {
                    send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { break }
                sent += count
            }
            if index == answers.count - 1 { while recv(client, &buffer, buffer.count, 0) > 0 {} }
        }
    }

    /// The next client that asks. One that reports its counts, as a decider does every few seconds, gets no answer.
    private func nextReader(_ buffer: inout [UInt8]) throws -> Int32 {
        while true {
            let client = accept(descriptor, nil, nil)
            try #require(client >= 0)
            let count = recv(client, &buffer, buffer.count, 0)
            if count > 0, buffer[0] == UInt8(ascii: "G") { return client }
            close(client)
        }
    }
}
