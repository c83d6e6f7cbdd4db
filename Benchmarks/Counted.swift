// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel
import PolicyPipeline

/// Fixed work for `scripts/compare`, which counts its instructions under callgrind: nothing of it depends on time. It
/// is small, because callgrind is fifty times slower than the processor.
enum CountedWork {
    private static let namespaces = 0..<25

    struct Step {
        var name: String
        /// What the step does first: the difference of the two counts is what the step itself costs.
        var start: String?
        var run: @Sendable () -> Void
    }

    /// A step whose work changes gets another name: `scripts/compare` takes equal names for equal work.
    static let steps = [
        Step(name: "nothing", run: {}),
        Step(name: "objects", start: "nothing") { _ = pages() },
        Step(name: "ingest", start: "objects") { _ = ingested() },
        Step(name: "compile", start: "ingest") { _ = compiled() },
        Step(name: "pod-events", start: "compile") { podEvents() },
        Step(name: "policy-events", start: "compile") { policyEvents() },
    ]

    private static func pages() -> [[ObjectEvent]] {
        namespaces.map { namespace in
            let meta = ObjectMeta(name: "namespace-\(namespace)", labels: ["team": "team-\(namespace)"])
            var page: [ObjectEvent] = [.set(.namespace(Namespace(metadata: meta)))]
            for application in 0..<LargeCluster.applications {
                page.append(.set(.networkPolicy(LargeCluster.policy(namespace, application))))
                for replica in 0..<4 { page.append(.set(LargeCluster.pod(namespace, application, replica))) }
            }
            return page
        }
    }

    private static func ingested() -> PolicyPipeline {
        var pipeline = PolicyPipeline(nodeName: "node-0")
        for page in pages() { pipeline.ingest(page) }
        return pipeline
    }

    private static func compiled() -> PolicyPipeline {
        var pipeline = ingested()
        _ = pipeline.apply([])
        return pipeline
    }

    private static func podEvents() {
        var pipeline = compiled()
        for round in 0..<400 {
            let object = LargeCluster.pod(round * 7 % 25, round * 11 % LargeCluster.applications, round % 4)
            _ = pipeline.apply([.removed(object.key)])
            _ = pipeline.apply([.set(object)])
        }
    }

    private static func policyEvents() {
        var pipeline = compiled()
        for round in 0..<50 {
            var policy = LargeCluster.policy(0, round % LargeCluster.applications)
            if round % 2 == 0 { policy.ingress.removeLast() }
            _ = pipeline.apply([.set(.networkPolicy(policy))])
        }
    }
}

/// Does one step of the counted work; without a name it lists the steps, each with the one that it starts with.
func runCounted(_ name: String?) -> Int32 {
    guard let name else {
        for step in CountedWork.steps { print(step.name, step.start ?? "") }
        return 0
    }
    guard let step = CountedWork.steps.first(where: { $0.name == name }) else {
        print("bulkhead-bench: no step '\(name)'")
        return 2
    }
    step.run()
    return 0
}
