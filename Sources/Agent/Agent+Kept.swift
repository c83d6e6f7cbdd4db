// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import KubernetesObjects
import PolicyPipeline
import PolicyResolver

/// State that outlives the daemon in files. A file that cannot be used is renamed, because a daemon that does not start
/// protects no pod; the log and the status say so.
extension Agent where Plane: ~Copyable {
    func readAttachments() -> [Attachments.Key: Attachments.Record] {
        guard let file = settings.attachmentFile else { return [:] }
        do {
            return try file.read()
        } catch {
            setAside(file.file, error.reason)
            return [:]
        }
    }

    func readPushes() -> KeptPushes {
        guard let file = settings.pushedFile else { return KeptPushes() }
        do {
            return try file.read()
        } catch {
            setAside(file.file, error.reason)
            return KeptPushes()
        }
    }

    /// Moves saved pushes into the store, if they are accepted now.
    func accept(_ kept: KeptPushes) -> [ObjectEvent] {
        do {
            _ = try PushedPolicy(kept.resolved)
            let (events, _) = try inputs.store.push(kept.objects.filter { inputs.store.origin(of: $0.key) == nil })
            inputs.resolved = kept.resolved
            return events
        } catch {
            refusePushes(error)
            return []
        }
    }

    /// Moves the saved resolved policy into the pipeline, if it is accepted now.
    func ingestResolved() {
        do {
            try pipeline.ingest(pushed: try PushedPolicy(inputs.resolved))
        } catch {
            refusePushes(error)
            inputs.resolved.endpoints = []
        }
    }

    /// Writes a file again that was removed while the daemon runs: a restart would forget its content.
    func repairKept() {
        var written: [String] = []
        do {
            if let file = settings.attachmentFile, !inputs.attachments.records.isEmpty, !file.file.exists {
                try file.write(inputs.attachments.records)
                written.append(file.path)
            }
            let pushes = KeptPushes(objects: inputs.store.pushedObjects, resolved: inputs.resolved)
            let isEmpty = pushes.objects.isEmpty && pushes.resolved.endpoints.isEmpty
            if let file = settings.pushedFile, !isEmpty, !file.file.exists {
                try file.write(pushes)
                written.append(file.path)
            }
        } catch {
            logger.error("a saved file that is gone cannot be written again", metadata: ["error": "\(error)"])
        }
        if !written.isEmpty { noteRepair(written) }
    }

    private func refusePushes(_ error: any Error) {
        guard let file = settings.pushedFile else { return }
        setAside(file.file, "it is no longer accepted: \(error)")
    }

    private func setAside(_ file: KeptFile, _ reason: String) {
        let aside = file.setAside(because: reason)
        inputs.brokenFiles.append(aside)
        logger.error(
            "a saved file is broken and was renamed",
            metadata: ["content": "\(aside.content)", "reason": "\(reason)", "file": "\(aside.path)"])
    }
}
