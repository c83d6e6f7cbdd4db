// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline

/// A large cluster of realistic shape: 250 namespaces with 20 applications each (5,000 identities), 30 pods an
/// identity, 20 policies a namespace, 110 pods of them on the node under test.
struct LargeCluster {
    static let namespaces = 250
    static let applications = 20
    static let replicas = 30
    /// Every so many pods one is local: 110 in all.
    static let localStride = 1364

    static func labels(_ namespace: Int, _ application: Int) -> [String: String] {
        [
            "app.kubernetes.io/name": "app-\(application)",
            "app.kubernetes.io/instance": "app-\(application)-\(namespace)",
            "app.kubernetes.io/component": ["web", "api", "worker", "db"][application % 4],
            "app.kubernetes.io/version": "1.\(application).\(namespace % 7)", "team": "team-\(namespace % 40)",
            "pod-template-hash": "7f9c\(application * 7919 % 9973)\(namespace)",
        ]
    }

    static func pod(_ namespace: Int, _ application: Int, _ replica: Int) -> KubernetesObject {
        let number = (namespace * applications + application) * replicas + replica
        let isLocal = number % localStride == 0
        let address = IPAddress(v4: 0x0a00_0000 + UInt32(number))
        let suffix = String(number * 7919 % 1_000_003, radix: 36)
        let meta = ObjectMeta(
            name: "app-\(application)-7f9c\(application * 7919 % 9973)\(namespace)-\(suffix)",
            namespace: "namespace-\(namespace)", uid: "0000\(1_000_000 + number)-0000-4000-8000-000000000000",
            labels: labels(namespace, application), createdAt: 1_700_000_000 + Int64(number))
        return .pod(
            Pod(
                metadata: meta, nodeName: isLocal ? "node-0" : "node-\(1 + number % 1400)",
                namedPorts: [NamedPort(name: "http", number: 8080)], podIPs: [address],
                hostIPs: [IPAddress(v4: 0xac10_0000 + UInt32(number % 1400))]))
    }

    static func policy(_ namespace: Int, _ application: Int) -> NetworkPolicy {
        let own = LabelSelector(matchLabels: ["app.kubernetes.io/name": "app-\(application)"])
        func peer(_ other: Int) -> NetworkPolicyPeer {
            .pods(
                namespaces: nil,
                pods: LabelSelector(matchLabels: ["app.kubernetes.io/name": "app-\(other % applications)"]))
        }
        let team = NetworkPolicyPeer.pods(
            namespaces: LabelSelector(matchLabels: ["team": "team-\(namespace % 40)"]),
            pods: LabelSelector(matchLabels: ["app.kubernetes.io/component": "web"]))
        let block = NetworkPolicyPeer.ipBlock(
            cidr: CIDR(IPAddress(v4: 0xcb00_0000 + UInt32(namespace) << 8), prefixLength: 24), except: [])
        func port(_ number: UInt16, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
            NetworkPolicyPort(ipProtocol: ipProtocol, port: .range(PortRange(number)))
        }
        let web = port(UInt16(8000 + application))
        return NetworkPolicy(
            metadata: ObjectMeta(name: "app-\(application)", namespace: "namespace-\(namespace)"), podSelector: own,
            policyTypes: [.ingress, .egress],
            ingress: [
                NetworkPolicyRule(peers: [peer(application + 1), peer(application + 2)], ports: [web]),
                NetworkPolicyRule(peers: [team], ports: [port(9090)]),
            ],
            egress: [
                NetworkPolicyRule(peers: [peer(application + 3)], ports: [port(5432), port(6379)]),
                NetworkPolicyRule(ports: [port(53, .udp), port(53)]),
                NetworkPolicyRule(peers: [block], ports: [port(443)]),
            ])
    }

    /// Feeds all objects page by page, so that no list of all of them is ever held.
    static func ingest(into pipeline: inout PolicyPipeline) {
        for namespace in 0..<namespaces {
            let meta = ObjectMeta(name: "namespace-\(namespace)", labels: ["team": "team-\(namespace % 40)"])
            var page: [ObjectEvent] = [.set(.namespace(Namespace(metadata: meta)))]
            for application in 0..<applications {
                page.append(.set(.networkPolicy(policy(namespace, application))))
                for replica in 0..<replicas { page.append(.set(pod(namespace, application, replica))) }
            }
            pipeline.ingest(page)
        }
        let node = Node(metadata: ObjectMeta(name: "node-0"), addresses: [IPAddress(v4: 0xac10_0000)])
        pipeline.ingest([.set(.node(node))])
    }
}

/// Memory that the kernel holds for this process; nil where /proc cannot be read.
func residentMegabytes() -> Double? { memoryMegabytes("VmRSS", of: "self") }

/// What /proc says of a process under a name; nil where it cannot be read.
func memoryMegabytes(_ name: String, of process: String) -> Double? {
    let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = text?.split(separator: "\n").first { $0.hasPrefix("\(name):") }
    guard let kilobytes = line.flatMap({ Double($0.split { $0 == " " || $0 == "\t" }.dropFirst().first ?? "") })
    else { return nil }
    return kilobytes * 1024 / 1e6
}

func shown(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

func report(_ what: String, _ samples: [Double], unit: String, target: String) {
    let sorted = samples.sorted()
    let high = sorted[sorted.count * 99 / 100]
    print("compile: \(what): median \(shown(sorted[sorted.count / 2])) \(unit), p99 \(shown(high)) (target \(target))")
}

/// Microseconds for each change of the own node's addresses and of another's, under a guardrail that names nodes.
private func benchNodes(_ pipeline: inout PolicyPipeline) -> [Double] {
    let guardrail = TierPolicy(
        kind: .clusterNetworkPolicy, metadata: ObjectMeta(name: "guard-nodes"), tier: .admin, priority: 1,
        subject: PodSelection(),
        egress: [
            TierRule(
                action: .deny, peers: [.nodes(LabelSelector())], ports: [.range(.tcp, PortRange(10250))])
        ])
    _ = pipeline.apply([.set(.tierPolicy(guardrail))])
    return (0..<400).map { round in
        let name = "node-\(round / 2 % 2)"
        let own = IPAddress(v4: 0xac10_0000 + UInt32(round / 2 % 2))
        let more = round % 2 == 0 ? [IPAddress(v4: 0xac20_0000 + UInt32(round))] : []
        let node = Node(metadata: ObjectMeta(name: name), addresses: [own] + more)
        return processorMilliseconds { _ = pipeline.apply([.set(.node(node))]) } * 1000
    }
}

/// Prints how long index, resolve and compile take for 150,000 pods and 5,000 policies, from scratch and by change;
/// processor time.
func benchCompile() {
    var pipeline = PolicyPipeline(nodeName: "node-0")
    let ingest = processorMilliseconds { LargeCluster.ingest(into: &pipeline) }
    print("compile: ingest 150,000 pods, 5,000 policies (objects made meanwhile): \(shown(ingest)) ms")
    let compile = processorMilliseconds { _ = pipeline.apply([]) }
    print("compile: resolve and compile from scratch: \(shown(compile)) ms (target 200)")
    print("compile: \(pipeline.statistics)")
    if let resident = residentMegabytes() { print("compile: resident \(shown(resident)) MB (target 150)") }

    var pods: [Double] = []
    for round in 0..<4000 {
        let object = LargeCluster.pod(
            round * 37 % LargeCluster.namespaces, round * 11 % LargeCluster.applications, round % LargeCluster.replicas)
        pods.append(processorMilliseconds { _ = pipeline.apply([.removed(object.key)]) } * 1000)
        pods.append(processorMilliseconds { _ = pipeline.apply([.set(object)]) } * 1000)
    }
    report("one pod event", pods, unit: "µs", target: "50")

    var policies: [Double] = []
    for round in 0..<440 {
        // The policy of the identity of a local pod: one that selects no local pod costs next to nothing.
        let identity = round / 2 * LargeCluster.localStride / LargeCluster.replicas % 5000
        var policy = LargeCluster.policy(
            identity / LargeCluster.applications, identity % LargeCluster.applications)
        if round % 2 == 0 {
            policy.ingress.removeLast()
        } else {
            policy.ingress[0].ports[0].port = .range(PortRange(7777))
        }
        policies.append(processorMilliseconds { _ = pipeline.apply([.set(.networkPolicy(policy))]) })
    }
    report("one policy changed", policies, unit: "ms", target: "5")
    report("one address of a node more or less", benchNodes(&pipeline), unit: "µs", target: "none")
    benchRequestPolicy(&pipeline)
    if let resident = residentMegabytes() { print("compile: resident at the end \(shown(resident)) MB") }
}
