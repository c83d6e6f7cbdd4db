// SPDX-License-Identifier: Apache-2.0

/// How authorization reads identities. The defaults are Istio's.
public struct MeshSettings: Sendable, Hashable {
    /// The namespace whose authorization policies select pods of every namespace.
    public var rootNamespace: String
    /// The trust domain that principals begin with, and its aliases. Never empty.
    public var trustDomains: [String]

    public init(rootNamespace: String = "istio-system", trustDomains: [String] = ["cluster.local"]) {
        self.rootNamespace = rootNamespace
        self.trustDomains = trustDomains
    }
}
