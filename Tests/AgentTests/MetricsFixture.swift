// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlSocket
import Glibc
import Logging
import ServiceLifecycle
import Testing

/// An agent with its metrics address, on a free port of the loopback interface, served for the time of a test.
struct MetricsFixture {
    let base: AgentFixture
    let port: UInt16
    var agent: Agent<FakeDatapath> { base.agent }
    var kernel: FakeKernel { base.kernel }

    /// As many namespaces, up to 256, each with a pod of this node that nothing may reach.
    static func isolatedNamespaces(_ count: Int) -> String {
        (0..<count).map { number in
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: p, namespace: n\(number)}
            spec: {nodeName: node, containers: [{name: c, image: i}]}
            status: {phase: Running, podIPs: [{ip: 10.2.0.\(number)}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: deny, namespace: n\(number)}
            spec: {podSelector: {}}
            """
        }.joined(separator: "\n---\n")
    }

    static func serve(
        _ manifests: String = AgentFixture.shop, at port: UInt16 = 0, limits: ListenerLimits = .metrics,
        beforeReady: @escaping @Sendable () async throws -> Void = {}, _ body: (MetricsFixture) async throws -> Void
    ) async throws {
        let base = try AgentFixture()
        try await base.start(manifests)
        let (ports, ready) = AsyncStream.makeStream(of: Int.self)
        let server = MetricsServer(
            address: MetricsAddress(host: "127.0.0.1", port: port), backend: base.agent, logger: AgentFixture.silent,
            limits: limits, retryInterval: .milliseconds(20)
        ) { ready.yield($0) }
        let group = ServiceGroup(configuration: .init(services: [server], logger: AgentFixture.silent))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            // The server ends without an error; the group takes a service that ends for one.
            tasks.addTask { try? await group.run() }
            do {
                try await beforeReady()
                var found = ports.makeAsyncIterator()
                let port = try #require(await found.next().flatMap { UInt16(exactly: $0) })
                try await body(MetricsFixture(base: base, port: port))
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Takes the policy of ``AgentFixture/shop`` away, whether the kernel can be written or not.
    func removePolicy() async throws {
        let keys = try AgentFixture.objects(AgentFixture.policy).map(\.key)
        await agent.manifestsChanged(ManifestChange(events: keys.map { .removed($0) }))
    }

    func get(_ target: String, method: String = "GET") async throws -> RawAnswer {
        try RawAnswer(await exchange(SocketFixture.request(method, target)))
    }

    func exchange(_ bytes: [UInt8]) async throws -> [UInt8] {
        let port = port
        return try await onOwnThread {
            let client = try RawClient(port: port)
            client.send(bytes)
            return client.receiveAll()
        }
    }

    /// The value of each series, by its text.
    func metrics() async throws -> [String: Double] {
        let answer: RawAnswer = try await get("/metrics")
        var values: [String: Double] = [:]
        for line in String(decoding: answer.body, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            let space = try #require(line.lastIndex(of: " "))
            let value = try #require(Double(line[line.index(after: space)...]), "\(line)")
            #expect(values.updateValue(value, forKey: String(line[..<space])) == nil, "twice: \(line)")
        }
        return values
    }
}
