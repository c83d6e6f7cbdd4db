// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import ControlSocket
import Datapath
import NetworkTypes
import NodeNetwork
import PolicyModel
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    /// Accepts a pod whose network has just been created, and answers when its policy is in the kernel. From the first
    /// step on, the pod is denied everything until its object is known.
    public func attach(_ body: AttachmentBody) async throws(ErrorAnswer) -> AttachmentAnswer {
        let deadline = ContinuousClock.now + .milliseconds(body.deadlineMilliseconds)
        var record = Attachments.Record(pod: try PodAttachment(body), network: body.network)
        let key = Attachments.Key(container: body.container, ifname: body.ifname)
        readNetwork()
        if let own = record.pod.addresses.first(where: isOwnAddress) {
            throw ErrorAnswer(.notAccepted, "\(own) is an address of this node, not of a pod")
        }
        if let network = inputs.network {
            record.hostInterfaces = network.podInterfaces(among: body.hostInterfaces ?? [])
        }
        try replaceAttachments(inputs.attachments.adding(record, as: key))
        logger.debug("pod attached", metadata: ["pod": "\(body.namespace)/\(body.pod)", "uid": "\(body.uid)"])
        let timer = Task {
            try? await Task.sleep(until: deadline, clock: .continuous)
            self.wakeAttaching()
        }
        defer { timer.cancel() }
        while true {
            guard inputs.attachments.records[key] == record else {
                throw ErrorAnswer(.notFound, "the pod was removed before its policy was in the kernel")
            }
            let answer = answer(key, record)
            switch answer.state {
            case .programmed: return answer
            case .overLimit:
                throw ErrorAnswer(.notAccepted, "the tables have no room for another pod, so it cannot be protected")
            case .held, .unjudged, .outside: break
            }
            guard !listeners.isEnding else { throw ErrorAnswer(.stopping, "the daemon is stopping") }
            guard ContinuousClock.now < deadline else { break }
            await withCheckedContinuation { listeners.waiting.append($0) }
        }
        return try expire(key, record, body)
    }

    private func expire(
        _ key: Attachments.Key, _ record: Attachments.Record, _ body: AttachmentBody
    ) throws(ErrorAnswer) -> AttachmentAnswer {
        let pod = "\(body.namespace)/\(body.pod) (UID \(body.uid))"
        let reason = whyNot(record)
        logger.warning(
            "a pod's policy was not in the kernel in time",
            metadata: ["pod": "\(pod)", "reason": "\(reason)", "then": "\(body.onDeadline.rawValue)"])
        guard body.onDeadline == .allow else {
            throw ErrorAnswer(
                .deadlineExceeded,
                "the policy of \(pod) is not in force after \(body.deadlineMilliseconds) ms: \(reason)")
        }
        var record = record
        record.pod.isHeld = false
        try replaceAttachments(inputs.attachments.adding(record, as: key))
        return answer(key, record)
    }

    private func whyNot(_ record: Attachments.Record) -> String {
        if let error = phase.error { return "the kernel could not be programmed: \(error)" }
        if !phase.isClusterKnown { return "not all objects of the cluster are known yet" }
        return pipeline.localPod(withUID: record.pod.uid) == nil
            ? "its object is not known yet" : "its object says that policy does not apply to it"
    }

    public func detach(container: String, ifname: String) throws(ErrorAnswer) -> DetachAnswer {
        try remove([Attachments.Key(container: container, ifname: ifname)])
    }

    public func collect(_ body: CollectBody) throws(ErrorAnswer) -> DetachAnswer {
        let valid = Set(body.valid.map { Attachments.Key(container: $0.container, ifname: $0.ifname) })
        return try remove(
            inputs.attachments.records.filter { $0.value.network == body.network }.keys.filter { !valid.contains($0) })
    }

    public func attachments() -> AttachmentsAnswer {
        lookForChanges()
        let answers = inputs.attachments.records.map { answer($0.key, $0.value) }
        return AttachmentsAnswer(
            attachments: answers.sorted {
                ($0.namespace, $0.pod, $0.container, $0.ifname) < ($1.namespace, $1.pod, $1.container, $1.ifname)
            })
    }

    func attachmentStatus() -> AttachmentStatus? {
        guard !inputs.attachments.records.isEmpty else { return nil }
        let states = inputs.attachments.records.map { answer($0.key, $0.value).state }
        return AttachmentStatus(
            count: states.count, held: states.count { $0 == .held }, unjudged: states.count { $0 == .unjudged })
    }

    private func remove(_ keys: [Attachments.Key]) throws(ErrorAnswer) -> DetachAnswer {
        let next = inputs.attachments.removing(keys)
        let removed = inputs.attachments.records.count - next.records.count
        if removed > 0 { try replaceAttachments(next) }
        return DetachAnswer(removed: removed)
    }

    /// Saves them for the next start, then enforces them. If the kernel refuses something, it is recorded and retried.
    private func replaceAttachments(_ next: Attachments) throws(ErrorAnswer) {
        // The runtime may have reported only an interface.
        if try take(next) { reconcile([.policy, .places]) }
    }

    /// Saves attachments for the next start, then accepts them.
    ///
    /// - Returns: whether that changes anything.
    func take(_ next: Attachments) throws(ErrorAnswer) -> Bool {
        guard next != inputs.attachments else { return false }
        do {
            try settings.attachmentFile?.write(next.records)
        } catch {
            throw ErrorAnswer(.internalError, "it could not be saved for a restart and was not done: \(error)")
        }
        noteAttachments(from: inputs.attachments, to: next)
        inputs.attachments = next
        pipeline.ingest(attachments: next.pods)
        return true
    }

    /// Ends the waits that are over, and lets the others check again.
    func wakeAttaching() {
        let waiting = listeners.waiting
        listeners.waiting = []
        for continuation in waiting { continuation.resume() }
    }

    private func answer(_ key: Attachments.Key, _ record: Attachments.Record) -> AttachmentAnswer {
        let name = pipeline.localPod(withUID: record.pod.uid)
        let endpoint = name ?? EndpointName(heldFor: record.pod)
        let ids = record.pod.addresses.map { pipeline.compiled.addresses.entry(of: $0).endpoint }
        let hasAll = ids.allSatisfy { pipeline.compiled.endpoints[$0]?.name == endpoint }
        let state: AttachmentAnswer.State
        if pipeline.endpointsOverLimit.contains(endpoint) {
            state = .overLimit
        } else if name == nil {
            state = record.pod.isHeld ? .held : .unjudged
        } else if !hasAll {
            state = .outside
        } else {
            state = phase.isInStep ? .programmed : .held
        }
        return AttachmentAnswer(
            container: key.container, ifname: key.ifname, network: record.network, namespace: record.pod.namespace,
            pod: record.pod.name, uid: record.pod.uid, addresses: record.pod.addresses.map(\.description),
            state: state,
            interface: ids.first.flatMap(interface))
    }
}
