// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import Logging
import ServiceLifecycle

/// An agent with its control socket, served for the time of a test.
struct SocketFixture {
    let base: AgentFixture
    let path: String
    var agent: Agent<FakeDatapath> { base.agent }
    var kernel: FakeKernel { base.kernel }

    static let bodyLimit = 1 << 20

    static func serve(
        _ manifests: String = AgentFixture.shop, limits: ListenerLimits = .control, scope: SocketScope = .control,
        at path: String? = nil, _ body: (SocketFixture) async throws -> Void
    ) async throws {
        try await serve(AgentFixture(), manifests, limits: limits, scope: scope, at: path, body)
    }

    static func serve(
        _ base: AgentFixture, _ manifests: String, limits: ListenerLimits = .control, scope: SocketScope = .control,
        at path: String? = nil, _ body: (SocketFixture) async throws -> Void
    ) async throws {
        try await base.start(manifests)
        let fixture = SocketFixture(base: base, path: path ?? base.directory.path + "/s")
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let server = ControlServer(
            file: try SocketFile(path: fixture.path), backend: base.agent, scope: scope, logger: AgentFixture.silent,
            bodyLimit: bodyLimit, limits: limits
        ) { signal.finish() }
        let group = ServiceGroup(configuration: .init(services: [server], logger: AgentFixture.silent))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await _ in ready {}
            do {
                try await body(fixture)
            } catch {
                await base.agent.endFollowing()
                await group.triggerGracefulShutdown()
                throw error
            }
            await base.agent.endFollowing()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Sends a whole request on a connection of its own.
    func call(
        _ method: String, _ target: String, _ body: String? = nil, headers: [String] = []
    ) async throws -> RawAnswer {
        try RawAnswer(await exchange(Self.request(method, target, body, headers: headers)))
    }

    /// Sends bytes, ends, and takes all that comes back.
    func exchange(_ bytes: [UInt8]) async throws -> [UInt8] {
        let path = path
        return try await onOwnThread {
            let client = try RawClient(path)
            client.send(bytes)
            return client.receiveAll()
        }
    }

    static func request(_ method: String, _ target: String, _ body: String? = nil, headers: [String] = []) -> [UInt8] {
        var lines = ["\(method) \(target) HTTP/1.1", "host: localhost", "connection: close"] + headers
        if let body { lines.append("content-length: \(body.utf8.count)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")).utf8)
    }
}
