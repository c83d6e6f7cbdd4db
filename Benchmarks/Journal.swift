// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import Foundation
import Journal
import JournalFiles
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Synchronization

/// Prints what a journaled change costs the thread that enforces and the journal's own, how many bytes it takes, what
/// samples of verdicts cost, and how long a question about the past takes with a full journal. The node has 110 pods
/// and 1,000 policies.
func benchJournal() throws {
    let path = FileManager.default.temporaryDirectory.path + "/bulkhead-bench-journal-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let writer = try JournalWriter(
        node: "node-0", directory: JournalDirectory(path: path, byteLimit: JournalDirectory.defaultByteLimit),
        version: "bench")
    let objects = JournaledNode.objects
    writer.begin(
        JournalBeginning(
            policies: objects.filter { $0.kind.isPolicy }, others: objects.filter { !$0.kind.isPolicy }, text: "bench"))
    let start = try read(writer)
    try benchChanges(writer)
    try benchPast(writer, since: start.position.last[.changes] ?? 0)
    benchSamples()
    writer.stop()
}

/// The objects that the journal of one node keeps.
private enum JournaledNode {
    static let policies = (0..<50).flatMap { namespace in
        (0..<LargeCluster.applications).map { KubernetesObject.networkPolicy(LargeCluster.policy(namespace, $0)) }
    }

    static let pods = (0..<110).map { number in
        guard case .pod(var pod) = LargeCluster.pod(number % 50, number % LargeCluster.applications, number % 30) else {
            fatalError("no pod")
        }
        pod.nodeName = "node-0"
        return KubernetesObject.pod(pod)
    }

    static let namespaces = (0..<50).map { number in
        KubernetesObject.namespace(
            Namespace(metadata: ObjectMeta(name: "namespace-\(number)", labels: ["team": "team-\(number % 40)"])))
    }

    static let objects = policies + pods + namespaces

    /// A policy with another port in each round.
    static func changed(_ round: Int) -> KubernetesObject {
        var policy = LargeCluster.policy(round % 50, round / 50 % LargeCluster.applications)
        policy.ingress[0].ports[0].port = .range(PortRange(UInt16(7000 + round % 1000)))
        return .networkPolicy(policy)
    }
}

/// Waits for the journal's thread.
private func read(_ writer: JournalWriter) throws -> JournalSnapshot {
    let done = DispatchSemaphore(value: 0)
    let result = Mutex<Result<JournalSnapshot, any Error>?>(nil)
    Task.detached {
        let answer: Result<JournalSnapshot, any Error>
        do {
            answer = .success(try await writer.read(within: .seconds(60)))
        } catch {
            answer = .failure(error)
        }
        result.withLock { $0 = answer }
        done.signal()
    }
    done.wait()
    guard let answer = result.withLock({ $0 }) else { throw JournalReadError.late }
    return try answer.get()
}

private func benchChanges(_ writer: JournalWriter) throws {
    let before = writer.status
    var own: [Double] = []
    var whole: [Double] = []
    var processor: [Double] = []
    for batch in 0..<20 {
        let changes = (0..<1000).map { JournaledNode.changed(batch * 1000 + $0) }
        let (clock, used) = (ContinuousClock.now, processorMilliseconds())
        for change in changes {
            let start = ContinuousClock.now
            var step = JournalStep(time: writer.clock.now())
            step.inputs = [JournalInput(.set(change), source: "bench")]
            (step.pods, step.podCount) = (["namespace-0/app"], 1)
            writer.add(step)
            own.append((ContinuousClock.now - start) / .microseconds(1))
        }
        _ = try read(writer)
        whole.append((ContinuousClock.now - clock) / .microseconds(1) / 1000)
        processor.append((processorMilliseconds() - used))
    }
    let status = writer.status
    let bytes = Double(status.bytes - before.bytes) / 20_000
    print(
        "journal: a policy's change: \(shown(own.median)) µs, p99 \(shown(own.quantile(0.99))) µs for who enforces; "
            + "written after \(shown(whole.median)) µs, \(shown(processor.median)) µs of processor time; "
            + "\(shown(bytes)) bytes with its effect; \(status.lost) lost")
}

private func benchPast(_ writer: JournalWriter, since first: UInt64) throws {
    let question = FlowQuestion(
        from: .address(IPAddress(v4: 0x0a00_0001)), to: .address(IPAddress(v4: 0x0a00_0002)), ipProtocol: .tcp,
        port: 80)
    var times: [Double] = []
    var bytes = 0
    var records = 0
    for _ in 0..<10 {
        let start = ContinuousClock.now
        let snapshot = try read(writer)
        let all = snapshot.contents.records.records
        (bytes, records) = (snapshot.contents.segments.reduce(0) { $0 + $1.count }, all.count)
        let past = JournalPast(all, position: snapshot.position)
        guard let oldest = all.first(where: { $0.ring == .changes }), let present = snapshot.state else { return }
        let state = try past.state(at: try past.moment(after: oldest.sequence), present: present)
        var cluster = ClusterVerdict(objects: Array(state.objects.values))
        _ = try cluster.answer(question)
        times.append((ContinuousClock.now - start) / .milliseconds(1))
    }
    print(
        "journal: a verdict at the oldest of \(records) records (\(bytes >> 10) KiB): median \(shown(times.median)) ms, "
            + "at most \(shown(times.max() ?? 0)) ms")
}

/// In the journal's thread, at most once a second.
private func benchSamples() {
    let objects = JournaledNode.objects
    guard case .pod(var pod) = JournaledNode.pods[0] else { return }
    pod.metadata.labels["app.kubernetes.io/name"] = "app-19"
    let name = EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
    for (what, old, new) in [
        ("a policy's change", JournaledNode.policies[0], JournaledNode.changed(0)),
        ("a pod's labels", JournaledNode.pods[0], KubernetesObject.pod(pod)),
    ] {
        var count = 0
        let used = processorMilliseconds {
            count =
                VerdictSamples(
                    node: "node-0", pods: [name], before: objects, after: objects.map { $0.key == new.key ? new : $0 },
                    changed: [old, new], settings: PolicySettings()
                ).sentences().count
        }
        print("journal: samples for \(what): \(shown(used)) ms, \(count) differ")
    }
}
