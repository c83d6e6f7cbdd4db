// SPDX-License-Identifier: Apache-2.0

/// What policies are wanted for, and of which form.
public struct SuggestionRequest: Sendable, Hashable {
    /// All workloads of this namespace …
    public var namespace: String
    /// … or this one of them.
    public var workload: String?
    /// Whether the policies enforce, instead of only reporting what they would deny.
    public var isEnforced: Bool
    /// Addresses that no pod has are allowed by prefixes of this length; 32: each by itself.
    public var prefixV4: Int
    /// The same for IPv6; 128: each by itself.
    public var prefixV6: Int

    public init(
        namespace: String, workload: String? = nil, isEnforced: Bool = false, prefixV4: Int = 32,
        prefixV6: Int = 128
    ) {
        self.namespace = namespace
        self.workload = workload
        self.isEnforced = isEnforced
        self.prefixV4 = prefixV4
        self.prefixV6 = prefixV6
    }
}

/// Why there is no suggestion.
public enum SuggestionError: Error, Sendable, Hashable, CustomStringConvertible {
    case noSuchNamespace(String)
    case noSuchWorkload(String)
    /// Only workloads with their nodes' network, which no policy selects.
    case hostNetwork(String)
    /// The text that was made is not a policy; this is a fault of this program.
    case invalid(String)
    /// A question that the engine could not answer.
    case unanswered(String)

    public var description: String {
        switch self {
        case .noSuchNamespace(let name): "the cluster has no workload in the namespace \(name)"
        case .noSuchWorkload(let name): "the cluster has no workload \(name)"
        case .hostNetwork(let name): "\(name) uses the network of its nodes, and no policy selects it"
        case .invalid(let reason): "the suggestion is not valid: \(reason)"
        case .unanswered(let reason): "the suggestion cannot be verified: \(reason)"
        }
    }
}
