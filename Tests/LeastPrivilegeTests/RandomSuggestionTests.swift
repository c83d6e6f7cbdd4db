// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import ClusterVerdicts
import KubernetesObjects
import LeastPrivilege
import Manifests
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// In random worlds, the printed policies allow every seen flow, and close what was not seen.
@Suite struct RandomSuggestionTests {
    /// A port that no rule and no flow of the worlds has.
    private static let unseenPort: UInt16 = 64_123

    private struct Cluster {
        var inventory: ClusterInventory
        var owners: [IPAddress: EndpointName] = [:]
        /// Addresses that several pods claim.
        var contested: Set<IPAddress> = []

        init(_ objects: [KubernetesObject]) throws {
            inventory = try ClusterInventory(InventoryInput(objects: objects))
            var claimed: Set<IPAddress> = []
            for case .pod(let pod) in inventory.objects
            where !pod.hostNetwork && pod.phase != .succeeded && pod.phase != .failed {
                let name = EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
                for address in Set(pod.podIPs) {
                    owners[address] = claimed.insert(address).inserted ? name : nil
                    if owners[address] == nil { contested.insert(address) }
                }
            }
        }

        var verdicts: ClusterVerdict { ClusterVerdict(objects: inventory.objects, settings: inventory.settings) }

        func seen(_ flow: Flow) -> SeenFlow? {
            guard flow.ipProtocol.hasPorts, let port = flow.destinationPort, port != unseenPort,
                contested.isDisjoint(with: [flow.source, flow.destination])
            else { return nil }
            return SeenFlow(
                from: .init(flow.source, pod: owners[flow.source]),
                to: .init(flow.destination, pod: owners[flow.destination]), flow.ipProtocol, port: port)
        }
    }

    /// The answer for a flow between pods, by their names as recorded.
    private func allows(_ verdicts: inout ClusterVerdict, _ flow: SeenFlow) -> Bool? {
        func end(_ end: SeenFlow.End) -> FlowEnd { .address(end.address) }
        let question = FlowQuestion(
            from: end(flow.source), to: end(flow.destination), ipProtocol: flow.ipProtocol, port: flow.port)
        guard let decision = try? verdicts.answer(question), !decision.isSelf else { return nil }
        return decision.verdict != .deny
    }

    private func decoded(_ suggestion: Suggestion) throws -> [KubernetesObject] {
        let text = suggestion.policies.map { "---\n\($0.document.yaml)" }.joined()
        let documents = ManifestReader().read(Array(text.utf8), file: "s.yaml")
        try #require(documents.allSatisfy { $0.decoded.errors.isEmpty }, "\(text)")
        let objects = documents.flatMap(\.decoded.objects)
        try #require(objects.count == suggestion.policies.count)
        return objects
    }

    @Test func seenFlowsStayAllowed() throws {
        var (policies, flows) = (0, 0)
        for seed in 40...54 {
            var generator = WorldGenerator(seed: UInt64(seed))
            let cluster = try Cluster(generator.world.objects)
            var before = cluster.verdicts
            let seen = Set(generator.flows(120).compactMap(cluster.seen).filter { allows(&before, $0) == true })
            for namespace in Set(cluster.inventory.workloads.map(\.name.namespace)).sorted() {
                guard
                    let suggestion = try? Suggestion(
                        SuggestionRequest(namespace: namespace, isEnforced: true), flows: seen,
                        inventory: cluster.inventory)
                else { continue }
                #expect(suggestion.effect.denied.isEmpty, "seed \(seed) \(namespace): \(suggestion.effect.denied)")
                let objects = cluster.inventory.objects + (try decoded(suggestion))
                var after = ClusterVerdict(objects: objects, settings: cluster.inventory.settings)
                #expect(suggestion.effect.unanswered.isEmpty)
                let left = Set(suggestion.leftOut.map(\.flow))
                for flow in seen where !left.contains(flow) {
                    #expect(allows(&after, flow) == true, "seed \(seed) \(namespace): \(flow)")
                    flows += 1
                }
                policies += suggestion.policies.count
            }
        }
        #expect(policies > 40 && flows > 400, "\(policies) \(flows)")
    }

    @Test func whatWasNotSeenIsClosed() throws {
        var denied = 0
        for seed in 1...12 {
            var generator = WorldGenerator(seed: UInt64(seed))
            let cluster = try Cluster(
                generator.world.objects.filter { [.pod, .namespace, .node].contains($0.kind) })
            let seen = Set(generator.flows(120).compactMap(cluster.seen))
            for namespace in Set(cluster.inventory.workloads.map(\.name.namespace)).sorted() {
                guard
                    let suggestion = try? Suggestion(
                        SuggestionRequest(namespace: namespace, isEnforced: true), flows: seen,
                        inventory: cluster.inventory)
                else { continue }
                denied += try expectClosed(cluster, suggestion, "seed \(seed) \(namespace)")
            }
        }
        #expect(denied > 100, "\(denied)")
    }

    /// Each pod with a policy, from and to others, with a port that was not seen. Returns how many flows were tried.
    private func expectClosed(_ cluster: Cluster, _ suggestion: Suggestion, _ comment: String) throws -> Int {
        var tried = 0
        var after = ClusterVerdict(objects: cluster.inventory.objects + (try decoded(suggestion)))
        let policies = Set(suggestion.policies.map(\.workload))
        let targets = Set(cluster.inventory.workloads.filter { policies.contains($0.name) }.flatMap(\.pods))
        let addresses = cluster.owners.keys.sorted()
        let others = [address("203.0.113.77"), address("2001:db8:7::7")] + addresses.prefix(6)
        for (target, name) in cluster.owners where targets.contains(name) {
            for other in others where other.family == target.family && cluster.owners[other] != name {
                for (from, to) in [(target, other), (other, target)] {
                    let flow = SeenFlow(from: .init(from), to: .init(to), .tcp, port: Self.unseenPort)
                    #expect(allows(&after, flow) == false, "\(comment): \(flow)")
                    tried += 1
                }
            }
        }
        return tried
    }
}
