// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline

/// What a platform team may write: 300 policies of the Admin tier for all pods, each of 25 rules of 25 networks.
private struct ManyTierPolicies {
    static let policies = 300
    static let rules = 25
    static let networks = 25
    static let pods = 100

    /// - Parameter shift: where the networks begin; another one is another policy.
    static func policy(_ number: Int, shift: Int = 0) -> TierPolicy {
        let egress = (0..<rules).map { rule in
            let blocks = (0..<networks).map { network in
                let index = UInt32((number * rules + rule) * networks + network + shift)
                // Spread over the address space, as lists of networks are.
                return CIDR(IPAddress(v4: index &* 2_654_435_761), prefixLength: 24)
            }
            let port = TierPort.range(.tcp, PortRange(UInt16(1000 + rule)))
            return TierRule(
                name: "rule-\(rule)", action: rule % 2 == 0 ? .deny : .accept, peers: [.networks(blocks)], ports: [port]
            )
        }
        return TierPolicy(
            kind: .clusterNetworkPolicy, metadata: ObjectMeta(name: "guard-\(number)"), tier: .admin,
            priority: Int32(number), subject: PodSelection(namespaces: LabelSelector(), pods: LabelSelector()),
            egress: egress)
    }

    static var objects: [ObjectEvent] {
        let node = Node(metadata: ObjectMeta(name: "node-0"), addresses: [IPAddress(v4: 0xac10_0000)])
        let local = (0..<pods).map { number in
            ObjectEvent.set(
                .pod(
                    Pod(
                        metadata: ObjectMeta(name: "pod-\(number)", namespace: "shop", uid: "uid-\(number)"),
                        nodeName: "node-0", podIPs: [IPAddress(v4: 0x0a00_0000 + UInt32(number))])))
        }
        return [.set(.node(node))] + local
    }
}

/// Prints how long policies of tiers take to compile, beside the same pods without them; processor time.
func benchTiers() {
    var pipeline = PolicyPipeline(nodeName: "node-0")
    let without = processorMilliseconds { _ = pipeline.apply(ManyTierPolicies.objects) }
    let policies = (0..<ManyTierPolicies.policies).map { ObjectEvent.set(.tierPolicy(ManyTierPolicies.policy($0))) }
    let compile = processorMilliseconds { _ = pipeline.apply(policies) }
    print(
        "tiers: 100 pods without a policy \(shown(without)) ms; 300 policies of 25 rules of 25 networks \(shown(compile)) ms"
    )
    print("tiers: \(pipeline.statistics)")
    if let resident = residentMegabytes() { print("tiers: resident \(shown(resident)) MB") }
    var changes: [Double] = []
    for round in 0..<40 {
        let policy = ManyTierPolicies.policy(round * 7 % ManyTierPolicies.policies, shift: 200_000 + round)
        changes.append(processorMilliseconds { _ = pipeline.apply([.set(.tierPolicy(policy))]) })
    }
    report("one policy of 25 rules changed", changes, unit: "ms", target: "none")
    var pods: [Double] = []
    for round in 0..<400 {
        let object = ManyTierPolicies.objects[1 + round % ManyTierPolicies.pods]
        guard case .set(let pod) = object else { continue }
        pods.append(processorMilliseconds { _ = pipeline.apply([.removed(pod.key)]) } * 1000)
        pods.append(processorMilliseconds { _ = pipeline.apply([object]) } * 1000)
    }
    report("one pod event under them", pods, unit: "µs", target: "none")
}
