// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel
import PolicyPipeline
import RequestPolicy
import RequestSteering

/// Prints what the request proxy's part of the tables costs for each change of the cluster, beside a projection of all
/// tables: one local application has a rule that reads requests from three namespaces (1,800 pods).
func benchRequestPolicy(_ pipeline: inout PolicyPipeline) {
    var source = AuthorizationSource()
    source.namespaces = ["namespace-0", "namespace-1", "namespace-2"]
    var operation = AuthorizationOperation()
    operation.methods = ["GET"]
    let policy = AuthorizationPolicy(
        metadata: ObjectMeta(name: "reads-requests", namespace: "namespace-0"),
        selector: LabelSelector(matchLabels: ["app.kubernetes.io/name": "app-0"]),
        rules: [AuthorizationRule(sources: [source], operations: [operation])])
    _ = pipeline.apply([.set(.authorizationPolicy(policy))])
    var projection = RequestProjection(pipeline.compiled, generation: 1)
    let sizes = "\(projection.policy.endpoints.count) endpoints, \(projection.policy.sources.hosts.count) sources"
    print("compile: requests are read of \(sizes)")
    let whole = (0..<20).map { _ in
        processorMilliseconds { _ = RequestProjection(pipeline.compiled, generation: 1) } * 1000
    }
    report("requests, projection of all tables", whole, unit: "µs", target: "none")

    var steered = SteeredPorts()
    steered.reset(pipeline.compiled)
    /// Pods of these namespaces go and come; what each costs beyond its compilation.
    func change(_ namespaces: Range<Int>) -> [Double] {
        var samples: [Double] = []
        for round in 0..<1000 {
            let namespace = namespaces.lowerBound + round * 37 % namespaces.count
            let application = round * 11 % LargeCluster.applications
            let object = LargeCluster.pod(namespace, application, round % LargeCluster.replicas)
            for event in [ObjectEvent.removed(object.key), .set(object)] {
                let delta = pipeline.apply([event])
                // As a follower holds it.
                let sent = projection.policy
                samples.append(
                    processorMilliseconds {
                        if steered.take(delta, of: pipeline.compiled) { _ = steered.ports(of: pipeline.compiled) }
                        if projection.take(delta, of: pipeline.compiled) { projection.publish() }
                    } * 1000)
                withExtendedLifetime(sent) {}
            }
        }
        return samples
    }
    report("requests, one pod event of others", change(3..<250), unit: "µs", target: "none")
    report("requests, one pod event of these sources", change(1..<3), unit: "µs", target: "none")
}
