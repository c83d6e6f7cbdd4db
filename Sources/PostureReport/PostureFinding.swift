// SPDX-License-Identifier: Apache-2.0
import Findings
import KubernetesObjects
import Reachability

/// One finding of the report.
public struct PostureFinding: Sendable, Hashable {
    public var code: PostureCode
    /// Whom it is about; nil for a policy.
    public var workload: WorkloadKey?
    /// `Deployment shop/web`, `NetworkPolicy shop/redis`.
    public var object: String
    public var message: String
    public var place: FindingPlace?
    public var remedy: Remedy

    /// What to do about it.
    public enum Remedy: Sendable, Hashable {
        /// A policy that closes just this: the flows of the finding are denied, and no other flow of the workload has
        /// another verdict.
        case policy(KubernetesObject)
        /// Why no policy can, and what to do.
        case none(String)
    }

    /// The finding in the form that all renderings share.
    public var finding: Finding {
        Finding(code.kind, message: message, place: place, object: object, fix: fix)
    }

    /// One line.
    public var fix: String {
        switch remedy {
        case .policy(let object):
            "apply the suggested \(object.key) (its text is in the html and json forms); it was applied to a copy of "
                + "the cluster and closes just this"
        case .none(let reason): reason
        }
    }

    /// The suggested policy as YAML; nil if there is none.
    public var policyText: String? {
        if case .policy(let object) = remedy { object.document.yaml } else { nil }
    }
}
