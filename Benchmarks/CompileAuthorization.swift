// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline

/// 1,000 applications with a service account each, in 20 namespaces, and one policy of five rules for each: as
/// NetworkPolicies by label, and as AuthorizationPolicies by principal.
private struct ManyAccounts {
    static let applications = 1000
    static let namespaces = 20
    static let rules = 5

    static func namespace(_ application: Int) -> String { "namespace-\(application % namespaces)" }

    /// Every tenth pod is local.
    static var objects: [ObjectEvent] {
        let node = Node(metadata: ObjectMeta(name: "node-0"), addresses: [IPAddress(v4: 0xac10_0000)])
        let spaces = (0..<namespaces).map {
            ObjectEvent.set(.namespace(Namespace(metadata: ObjectMeta(name: "namespace-\($0)"))))
        }
        let pods = (0..<applications).map { number in
            ObjectEvent.set(
                .pod(
                    Pod(
                        metadata: ObjectMeta(
                            name: "app-\(number)", namespace: namespace(number), uid: "uid-\(number)",
                            labels: ["app": "app-\(number)"]),
                        nodeName: number % 10 == 0 ? "node-0" : "node-1", serviceAccountName: "account-\(number)",
                        podIPs: [IPAddress(v4: 0x0a00_0000 + UInt32(number))])))
        }
        return [.set(.node(node))] + spaces + pods
    }

    /// The applications that a rule allows: two others of the same namespace.
    private static func peers(_ application: Int, _ rule: Int) -> [Int] {
        [1, 2].map { (application + (rule * 2 + $0) * namespaces) % applications }
    }

    private static func port(_ rule: Int) -> UInt16 { UInt16(8000 + rule) }

    static func network(_ application: Int, rules: Int = rules) -> KubernetesObject {
        .networkPolicy(
            NetworkPolicy(
                metadata: ObjectMeta(name: "app-\(application)", namespace: namespace(application)),
                podSelector: LabelSelector(matchLabels: ["app": "app-\(application)"]), policyTypes: [.ingress],
                ingress: (0..<rules).map { rule in
                    NetworkPolicyRule(
                        peers: peers(application, rule).map {
                            .pods(namespaces: nil, pods: LabelSelector(matchLabels: ["app": "app-\($0)"]))
                        },
                        ports: [NetworkPolicyPort(port: .range(PortRange(port(rule))))])
                }))
    }

    static func authorization(_ application: Int, rules: Int = rules) -> KubernetesObject {
        .authorizationPolicy(
            AuthorizationPolicy(
                metadata: ObjectMeta(name: "app-\(application)", namespace: namespace(application)),
                selector: LabelSelector(matchLabels: ["app": "app-\(application)"]),
                rules: (0..<rules).map { rule in
                    var source = AuthorizationSource()
                    source.principals = peers(application, rule).map {
                        "cluster.local/ns/\(namespace($0))/sa/account-\($0)"
                    }
                    var operation = AuthorizationOperation()
                    operation.ports = [port(rule)]
                    return AuthorizationRule(sources: [source], operations: [operation])
                }))
    }
}

/// Prints how long policies by principal take to compile, beside as many NetworkPolicies by label; processor time.
func benchAuthorization() {
    func compile(_ policy: (Int) -> KubernetesObject) -> (pipeline: PolicyPipeline, milliseconds: Double) {
        var pipeline = PolicyPipeline(nodeName: "node-0")
        pipeline.ingest(ManyAccounts.objects)
        let policies = (0..<ManyAccounts.applications).map { ObjectEvent.set(policy($0)) }
        let milliseconds = processorMilliseconds { _ = pipeline.apply(policies) }
        return (pipeline, milliseconds)
    }
    var ratios: [Double] = []
    var last: PolicyPipeline?
    for round in 0..<7 {
        let network = compile { ManyAccounts.network($0) }
        let authorization = compile { ManyAccounts.authorization($0) }
        ratios.append(authorization.milliseconds / network.milliseconds)
        if round == 6 {
            print(
                "authorization: 1,000 policies of 5 rules from scratch: NetworkPolicy \(shown(network.milliseconds)) ms, "
                    + "AuthorizationPolicy \(shown(authorization.milliseconds)) ms")
        }
        last = authorization.pipeline
    }
    print("authorization: ratio of 7 runs: median \(shown(ratios.sorted()[3])) (target 2)")
    guard var pipeline = last else { return }
    let changes = (0..<400).map { round in
        // Every tenth application has a local pod: a policy of another costs next to nothing.
        let object = ManyAccounts.authorization(round / 2 % 100 * 10, rules: round % 2 == 0 ? 4 : 5)
        return processorMilliseconds { _ = pipeline.apply([.set(object)]) }
    }
    report("one AuthorizationPolicy changed", changes, unit: "ms", target: "5")
}
