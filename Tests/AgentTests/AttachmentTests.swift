// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Glibc
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import NodeNetwork
import Testing

/// Pods that the chained CNI plugin reports through the control socket.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct AttachmentTests {
    private static func body(
        _ name: String = "api", uid: String = "u-1", container: String = "c1", address: String = "10.1.0.3",
        milliseconds: Int = 25000, onDeadline: AttachmentBody.Expiry = .deny, interfaces: [String] = []
    ) -> AttachmentBody {
        AttachmentBody(
            container: container, ifname: "eth0", network: "net", namespace: "shop", pod: name, uid: uid,
            addresses: [address], hostInterfaces: interfaces, deadlineMilliseconds: milliseconds,
            onDeadline: onDeadline)
    }

    /// A pod of this node that has no address yet.
    private static func object(
        _ name: String = "api", uid: String = "u-1", staticUID: String = ""
    ) -> KubernetesObject {
        .pod(
            Pod(
                metadata: ObjectMeta(name: name, namespace: "shop", uid: uid, labels: ["app": "web"]), nodeName: "node",
                phase: .pending, staticUID: staticUID))
    }

    /// Why an attachment is refused; nil: it is not.
    private func refusal(_ fixture: AgentFixture, _ body: AttachmentBody) async -> ErrorAnswer.Content? {
        await refusal(attaching(fixture, body))
    }

    /// Not inlined: the compiler crashes on tests that it is inlined into.
    @inline(never)
    private func refusal(_ task: Task<AttachmentAnswer, any Error>) async -> ErrorAnswer.Content? {
        do {
            _ = try await task.value
            return nil
        } catch {
            return (error as? ErrorAnswer)?.error
        }
    }

    private func isHeld(_ fixture: AgentFixture) async throws -> Bool {
        try await eventually { await fixture.agent.status().attachments?.held == 1 }
    }

    /// What the agent says of each TCP flow, in order.
    @inline(never)
    private func verdicts(_ fixture: AgentFixture, _ flows: [(String, String, UInt16)]) async throws -> [String] {
        var verdicts: [String] = []
        for (from, to, port) in flows {
            let answer = try await fixture.agent.verdict(AgentFixture.question(from, to, port))
            verdicts.append(answer.verdict)
        }
        return verdicts
    }

    private func attaching(_ fixture: AgentFixture, _ body: AttachmentBody) -> Task<AttachmentAnswer, any Error> {
        Task { try await fixture.agent.attach(body) }
    }

    @Test func itWaitsForTheObject() async throws {
        let flows: [(String, String, UInt16)] = [
            ("10.1.0.3", "8.8.8.8", 80), ("10.1.0.3", "10.1.0.2", 6379), ("10.1.0.3", "10.1.0.2", 80),
        ]
        let fixture = try AgentFixture()
        try await fixture.start()
        let before = try await verdicts(fixture, flows)
        let answer = attaching(fixture, Self.body())
        let isHeld = try await isHeld(fixture)
        let meanwhile = try await verdicts(fixture, flows)
        let endpoints = await fixture.agent.endpoints().endpoints
        _ = try await fixture.agent.apply([Self.object()])
        let attached = try await answer.value
        let after = try await verdicts(fixture, flows)
        let status = await fixture.agent.status().attachments
        #expect(before == ["undecided", "deny", "deny"] && isHeld && meanwhile == ["deny", "deny", "deny"])
        let held = endpoints.first { $0.held == true }
        #expect(held?.addresses == ["10.1.0.3"] && held?.name == "shop/api u-1")
        #expect(attached.state == .programmed && attached.addresses == ["10.1.0.3"])
        #expect(after == ["allow", "allow", "deny"])
        #expect(status == AttachmentStatus(count: 1, held: 0, unjudged: 0))
        await fixture.agent.stop()
    }

    /// A static pod's ADD has its own UID; the API server has a mirror of it, with another.
    @Test func aStaticPodWaitsForItsMirror() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let answer = attaching(fixture, Self.body(uid: "static"))
        let isHeld = try await isHeld(fixture)
        // That of the static pod before, and of another pod.
        _ = try await fixture.agent.apply([Self.object(uid: "m-1", staticUID: "before")])
        _ = try await fixture.agent.apply([Self.object("thief", uid: "m-2", staticUID: "static")])
        let isHeldStill = await fixture.agent.status().attachments?.held == 1
        _ = try await fixture.agent.apply([Self.object(uid: "m-3", staticUID: "static")])
        let attached = try await answer.value
        #expect(isHeld && isHeldStill && attached.state == .programmed && attached.uid == "static")
        let endpoints = await fixture.agent.endpoints().endpoints
        #expect(endpoints.first { $0.name == "api" }?.addresses == ["10.1.0.3"])
        #expect(endpoints.first { $0.name == "thief" } == nil && endpoints.allSatisfy { $0.held == nil })
        await fixture.agent.stop()
    }

    @Test func aKnownPodIsNotWaitedFor() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        _ = try await fixture.agent.apply([Self.object()])
        let answer = try await fixture.agent.attach(Self.body(address: "::ffff:10.1.0.3", milliseconds: 1))
        #expect(answer.state == .programmed && answer.addresses == ["10.1.0.3"])
        let first = try await fixture.agent.detach(container: "c1", ifname: "eth0").removed
        let second = try await fixture.agent.detach(container: "c1", ifname: "eth0").removed
        #expect(first == 1 && second == 0)
        await fixture.agent.stop()
    }

    @Test func theDeadlineDenies() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let error = await refusal(fixture, Self.body(milliseconds: 30))
        #expect(error?.code == .deadlineExceeded && error?.message.contains("object is not known") == true)
        let isDenied = try await verdicts(fixture, [("10.1.0.3", "8.8.8.8", 80)]) == ["deny"]
        #expect(isDenied)
        _ = try await fixture.agent.detach(container: "c1", ifname: "eth0")
        let isUndecided = try await verdicts(fixture, [("10.1.0.3", "8.8.8.8", 80)]) == ["undecided"]
        #expect(isUndecided)
        await fixture.agent.stop()
    }

    @Test func theDeadlineAllowsWhereThatIsAsked() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let answer = try await fixture.agent.attach(Self.body(milliseconds: 30, onDeadline: .allow))
        #expect(answer.state == .unjudged)
        let isUndecided = try await verdicts(fixture, [("10.1.0.3", "8.8.8.8", 80)]) == ["undecided"]
        #expect(isUndecided)
        let isCounted = await fixture.agent.status().attachments?.unjudged == 1
        #expect(isCounted)
        _ = try await fixture.agent.apply([Self.object()])
        let isProgrammed = await fixture.agent.attachments().attachments.map(\.state) == [.programmed]
        #expect(isProgrammed)
        await fixture.agent.stop()
    }

    /// A kernel that cannot be programmed holds up the answer until it can.
    @Test func itWaitsForTheKernel() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        _ = try await fixture.agent.apply([Self.object()])
        fixture.kernel.failNext(2)
        let before = ContinuousClock.now
        let answer = try await fixture.agent.attach(Self.body())
        #expect(answer.state == .programmed && ContinuousClock.now - before > .milliseconds(200))
        fixture.kernel.failNext(100)
        let error = await refusal(fixture, Self.body(container: "c9", address: "10.1.0.9", milliseconds: 50))
        #expect(error?.code == .deadlineExceeded && error?.message.contains("kernel") == true)
        await fixture.agent.stop()
    }

    @Test func aRestartForgetsNothing() async throws {
        let directory = try TemporaryDirectory()
        let first = try AgentFixture(in: directory)
        try await first.start()
        _ = try? await first.agent.attach(Self.body(milliseconds: 1))
        _ = try await first.agent.attach(
            Self.body("old", uid: "u-2", container: "c2", address: "10.1.0.4", milliseconds: 1, onDeadline: .allow))
        await first.agent.stop()
        let second = try AgentFixture(in: directory)
        try await second.start()
        let isDenied = try await verdicts(second, [("10.1.0.3", "8.8.8.8", 80)]) == ["deny"]
        #expect(isDenied)
        let isUndecided = try await verdicts(second, [("10.1.0.4", "8.8.8.8", 80)]) == ["undecided"]
        #expect(isUndecided)
        let areKept = await second.agent.attachments().attachments.map(\.state) == [.held, .unjudged]
        #expect(areKept)
        await second.agent.stop()
        try write("{\"version\":1}", to: directory.path + "/attachments.json")
        let third = try AgentFixture(in: directory)
        try await third.start()
        let conditions = await third.agent.status().conditions.filter { $0.kind == .brokenFile }
        #expect(conditions.count == 1 && conditions[0].message.contains("attachments.json.broken-"), "\(conditions)")
        #expect(await third.agent.attachments().attachments.isEmpty)
        await third.agent.stop()
    }

    /// Nothing is promised before the kernel has it; what was reported meanwhile takes effect with the rest.
    @Test func itWaitsUntilAllOfTheClusterIsKnown() async throws {
        let fixture = try AgentFixture(cluster: ClusterTests.follower())
        fixture.kernel.state.withLock { $0.numbering.endpoints[StableKey(high: 1, low: 2)] = EndpointID(rawValue: 3) }
        try await fixture.agent.start(ManifestChange())
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .gathering, events: [.set(Self.object())]))
        let answer = attaching(fixture, Self.body())
        let isHeld = try await isHeld(fixture)
        let early = await refusal(
            fixture, Self.body("other", uid: "u-2", container: "c2", address: "10.1.0.9", milliseconds: 5))
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .complete, events: []))
        let attached = try await answer.value
        let verdicts = try await verdicts(fixture, [("10.1.0.3", "8.8.8.8", 80), ("10.1.0.9", "8.8.8.8", 80)])
        #expect(isHeld && early?.code == .deadlineExceeded)
        #expect(early?.message.contains("not all objects of the cluster") == true)
        #expect(attached.state == .programmed && verdicts == ["allow", "deny"])
        await fixture.agent.stop()
    }

    /// The runtime assigns an address again: its previous pod is gone.
    @Test func anAddressHasOneOwner() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        _ = try await fixture.agent.apply([Self.object(), Self.object("next", uid: "u-2")])
        _ = try await fixture.agent.attach(Self.body())
        _ = try await fixture.agent.attach(Self.body("next", uid: "u-2", container: "c2"))
        let isTheNextOnes = await fixture.agent.attachments().attachments.map(\.pod) == ["next"]
        #expect(isTheNextOnes)
        let names = await fixture.agent.endpoints().endpoints.filter { $0.addresses == ["10.1.0.3"] }.map(\.name)
        #expect(names == ["next"])
        await fixture.agent.stop()
    }

    @Test func collectKeepsWhatIsValid() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        for number in 1...3 {
            _ = try? await fixture.agent.attach(
                Self.body(uid: "u-\(number)", container: "c\(number)", address: "10.1.1.\(number)", milliseconds: 1))
        }
        var other = Self.body(uid: "u-9", container: "c9", address: "10.1.1.9", milliseconds: 1)
        other.network = "other"
        _ = try? await fixture.agent.attach(other)
        let body = CollectBody(network: "net", valid: [.init(container: "c2", ifname: "eth0")])
        let areTwoRemoved = try await fixture.agent.collect(body).removed == 2
        #expect(areTwoRemoved)
        let areTheOthersKept = await fixture.agent.attachments().attachments.map(\.container) == ["c2", "c9"]
        #expect(areTheOthersKept)
        await fixture.agent.stop()
    }

    @Test func takenBackWhileItWaits() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let answer = attaching(fixture, Self.body())
        let isFirstHeld = try await isHeld(fixture)
        _ = try await fixture.agent.detach(container: "c1", ifname: "eth0")
        let error = await refusal(answer)
        #expect(error?.code == .notFound)
        let second = attaching(fixture, Self.body())
        let isSecondHeld = try await isHeld(fixture)
        #expect(isFirstHeld && isSecondHeld)
        await fixture.agent.endFollowing()
        let ending = await refusal(second)
        #expect(ending?.code == .stopping)
        await fixture.agent.stop()
    }

    /// The runtime may have no way to say that a pod is gone: its interface is.
    @Test func aVanishedInterfaceIsTheEnd() async throws {
        let network = FakeNetwork()
        network.add("veth9", index: 9, address: "10.1.0.3")
        let fixture = try AgentFixture(readNetwork: { () throws(NodeNetworkError) in network.state })
        try await fixture.start()
        _ = try await fixture.agent.apply([Self.object()])
        let answer = try await fixture.agent.attach(Self.body(interfaces: ["veth9", "cni0"]))
        #expect(answer.interface == InterfaceAnswer(index: 9, name: "veth9"))
        // News that are older than the pod.
        await fixture.agent.networkChanged(.success(NetworkState()))
        let isKept = await fixture.agent.attachments().attachments.count == 1
        #expect(isKept)
        let isFound = await fixture.agent.attachments().attachments.first?.interface?.name == "veth9"
        #expect(isFound)
        network.removeAll()
        await fixture.agent.networkChanged(.success(NetworkState()))
        let isForgotten = await fixture.agent.attachments().attachments.isEmpty
        #expect(isForgotten)
        await fixture.agent.stop()
    }

    @Test func theNodesOwnAddressIsRefused() async throws {
        let network = FakeNetwork()
        network.add("eth0", index: 2, address: nil, own: "192.168.0.1")
        let fixture = try AgentFixture(readNetwork: { () throws(NodeNetworkError) in network.state })
        try await fixture.start()
        let error = await refusal(fixture, Self.body(address: "192.168.0.1", milliseconds: 1))
        #expect(error?.code == .notAccepted)
        await fixture.agent.stop()
    }

    @Test func theSocketSaysWhatIsWrong() async throws {
        try await SocketFixture.serve { fixture in
            let bad = """
                {"container":"","ifname":"eth0","network":"n","namespace":"shop","pod":"p","uid":"u",
                "addresses":["10.1.0.300"],"deadlineMilliseconds":0,"onDeadline":"deny"}
                """
            let answer = try await fixture.call("PUT", "/v1/attachments", bad)
            #expect(answer.status == 400 && answer.errorCode == .invalidBody)
            let fields = try answer.decode(ErrorAnswer.self).error.problems.map(\.field)
            #expect(fields == ["container", "deadlineMilliseconds", "addresses[0]"])
            let unknown = try await fixture.call("PUT", "/v1/attachments", #"{"container":"c","typo":1}"#)
            #expect(unknown.errorCode == .invalidBody)
            let needsBoth = try await fixture.call("DELETE", "/v1/attachments?container=c").errorCode == .badRequest
            #expect(needsBoth)
            let isNoError = try await fixture.call("DELETE", "/v1/attachments?container=c&ifname=e").status == 200
            #expect(isNoError)
            let needsAList = try await fixture.call("POST", "/v1/attachments/collect", "{}").errorCode == .invalidBody
            #expect(needsAList)
            let list = try await fixture.call("GET", "/v1/attachments?container=c")
            #expect(
                try list.decode(AttachmentsAnswer.self).attachments.isEmpty && list.headers["content-length"] != nil)
        }
    }
}
