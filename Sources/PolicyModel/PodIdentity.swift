// SPDX-License-Identifier: Apache-2.0

/// Pods by identity: the namespace and the service account that the pod runs as.
///
/// An address of something other than a pod has no identity: no condition matches it, and the negation of every condition does.
public struct PodIdentity: Sendable, Hashable {
    public var namespace: TextMatch
    public var account: TextMatch

    public init(namespace: TextMatch = .present, account: TextMatch = .present) {
        self.namespace = namespace
        self.account = account
    }
}
