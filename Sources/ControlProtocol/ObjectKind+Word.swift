// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension ObjectKind {
    private static let shortWords: [String: ObjectKind] = [
        "po": .pod, "ns": .namespace, "no": .node, "netpol": .networkPolicy, "cnp": .clusterNetworkPolicy,
        "anp": .adminNetworkPolicy, "banp": .baselineAdminNetworkPolicy,
    ]

    /// The kind that a person names: as manifests write it, in any letter case, singular or plural, or as kubectl
    /// abbreviates it. Nil for any other word.
    public init?(word: some StringProtocol) {
        let word = word.lowercased()
        let kind =
            Self.shortWords[word]
            ?? Self.allCases.first { kind in
                let one = kind.rawValue.lowercased()
                let many = one.hasSuffix("y") ? one.dropLast() + "ies" : one + "s"
                return word == one || word == many
            }
        guard let kind else { return nil }
        self = kind
    }
}
