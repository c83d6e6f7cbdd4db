// SPDX-License-Identifier: Apache-2.0
import ClusterState
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    /// What objects and deletions would change: verdicts, live connections, flows on record. What is in force, and the
    /// kernel, stay as they are.
    public func preview(
        _ objects: [KubernetesObject], deleting keys: [ObjectKey]
    ) async throws(ErrorAnswer) -> NodePreviewAnswer {
        try refuseToRehearse()
        return await Self.rehearse(moment(try plan(objects, keys)))
    }

    /// Outside of this actor: a question must not delay a change.
    private nonisolated static func rehearse(_ moment: PreviewMoment) async -> NodePreviewAnswer {
        Rehearsal(moment).answer
    }

    func refuseToRehearse() throws(ErrorAnswer) {
        guard phase.isClusterKnown else {
            throw ErrorAnswer(.waitingForCluster, "which pods are selected is not known: \(Self.waiting)")
        }
    }

    /// Everything that a preview needs, at one moment.
    func moment(_ plan: RehearsalPlan) -> PreviewMoment {
        // What the kernel has reported and nothing has read yet is on record as well.
        prepareToFollow()
        return PreviewMoment(
            plan: plan, pipeline: pipeline, ring: recording.ring, ownPrefixes: Array(inputs.localAddresses),
            nodeName: settings.nodeName, proxyMarks: settings.requests.steering.marks.mask,
            connections: settings.connections)
    }

    private func plan(_ objects: [KubernetesObject], _ keys: [ObjectKey]) throws(ErrorAnswer) -> RehearsalPlan {
        var seen: Set<ObjectKey> = []
        let twice = (objects.map(\.key) + keys).filter { !seen.insert($0).inserted }
        guard twice.isEmpty else {
            throw ErrorAnswer(
                .invalidBody, "an object occurs more than once",
                problems: twice.map { Problem(object: "\($0)", field: "", reason: "occurs more than once") })
        }
        var plan = RehearsalPlan()
        for object in objects.sorted(by: { $0.key < $1.key }) {
            let name = "\(object.key)"
            guard inputs.store.origin(of: object.key) != .guardrail else {
                plan.notes.append("\(name) would have no effect: a static guardrail of this node has its name")
                continue
            }
            plan.events.append(.set(object))
            let old = object.key.kind.isPolicy ? inputs.store.policy(object.key) : inputs.store.pushed[object.key]
            if old == object {
                plan.unchanged.append(name)
            } else if isKnown(object.key) {
                plan.changed.append(name)
            } else {
                plan.added.append(name)
            }
        }
        for key in keys.sorted() {
            guard inputs.store.origin(of: key) != .guardrail else {
                throw ErrorAnswer(.ownedByGuardrail, "\(key) is a static guardrail: only its file can be removed")
            }
            guard isKnown(key) else { throw ErrorAnswer(.notFound, "there is no \(key)") }
            plan.events.append(.removed(key))
            plan.deleted.append("\(key)")
        }
        return plan
    }

    private func isKnown(_ key: ObjectKey) -> Bool {
        switch key.kind {
        case .pod: pipeline.object(ofPod: EndpointName(namespace: key.namespace, name: key.name)) != nil
        case .namespace: pipeline.cluster.object(ofNamespace: key.name) != nil
        case .node: pipeline.addresses(ofNode: key.name) != nil
        default: inputs.store.policy(key) != nil
        }
    }
}
