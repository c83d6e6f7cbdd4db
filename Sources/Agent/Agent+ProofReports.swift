// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesClient
import KubernetesObjects

/// Disagreements of kernel and policy that follow each other: an Event is created for all of them.
struct DisagreementBurst {
    /// What was the first one, and when.
    var message: String
    /// When the last one was found.
    var last = ContinuousClock.now

    /// After so much time without a disagreement, the next one is news.
    static let gap: Duration = .seconds(600)
}

extension Agent where Plane: ~Copyable {
    /// Notes a disagreement for the Event about this node.
    func noteBurst(_ disagreement: String) {
        if let burst = proving.burst, ContinuousClock.now - burst.last < DisagreementBurst.gap {
            proving.burst?.last = .now
            return
        }
        proving.burst = DisagreementBurst(
            message: "its kernel decided otherwise than policy at \(RFC3339.now()): \(disagreement). Bulkhead has "
                + "written its tables again; 'bulkheadctl status --verify' says whether that has helped")
    }

    /// The report on this node while disagreements last, and for some time after them.
    func proofReports() -> [ObjectReport] {
        guard let burst = proving.burst,
            !proving.standing.isEmpty || ContinuousClock.now - burst.last < DisagreementBurst.gap
        else { return [] }
        // The kubelet, too, uses the name instead of a node's UID, and `kubectl describe node` looks for that.
        return [
            ObjectReport(
                object: ObjectKey(kind: .node, namespace: "", name: settings.nodeName), uid: settings.nodeName,
                reason: "KernelDisagrees", message: burst.message)
        ]
    }
}
