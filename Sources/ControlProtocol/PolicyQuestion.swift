// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Which policies are meant: `NAME`, `NAMESPACE/NAME`, `KIND/NAME` or `KIND/NAMESPACE/NAME`.
public struct PolicyQuestion: Sendable, Hashable, CustomStringConvertible {
    /// Nil: any kind.
    public var kind: String?
    /// Nil: any namespace.
    public var namespace: String?
    public var name: String

    /// Nil if the text is none of the forms. A first part that is a kind's word is the kind.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        name = parts[parts.count - 1]
        guard parts.count > 1 else { return }
        if let kind = ObjectKind(word: parts[0]), kind.isPolicy {
            self.kind = kind.rawValue
            if parts.count == 3 { namespace = parts[1] }
        } else {
            guard parts.count == 2 else { return nil }
            namespace = parts[0]
        }
    }

    public var description: String { [kind, namespace, name].compactMap { $0 }.joined(separator: "/") }
}
