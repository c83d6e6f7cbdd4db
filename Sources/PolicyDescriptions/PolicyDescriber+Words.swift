// SPDX-License-Identifier: Apache-2.0
import ClusterState
import PolicyModel

/// Selectors as people read them.
extension PolicyDescriber {
    /// "pods app=web in namespace shop", "all pods in namespaces team=a".
    func words(_ subject: IndexedSubject) -> String {
        let who = subject.pods.requirements.isEmpty ? "all pods" : "pods \(state.text(subject.pods))"
        return "\(who) \(place(subject.namespaces))"
    }

    /// "in namespace shop", "in namespaces team=a", "in all namespaces".
    func place(_ scope: IndexedScope) -> String {
        switch scope {
        case .namespace(let number): "in namespace \(name(ofNamespace: number))"
        case .selector(let selector):
            selector.requirements.isEmpty ? "in all namespaces" : "in namespaces \(state.text(selector))"
        }
    }

    /// "service account api in namespace shop".
    func words(_ identity: IndexedIdentity) -> String {
        let who =
            switch identity.accounts {
            case .number(let number): "pods with the service account \(state.strings[number])"
            case .matching(.present): "pods with any service account"
            case .matching(let match): "pods with service accounts \(match.written)"
            }
        return switch identity.namespaces {
        case .number(let number): "\(who) in namespace \(name(ofNamespace: number))"
        case .matching(.present): "\(who) in all namespaces"
        case .matching(let match): "\(who) in namespaces named \(match.written)"
        }
    }

    /// "nodes zone=a", "all nodes".
    func words(nodes selector: IndexedSelector) -> String {
        selector.requirements.isEmpty ? "all nodes" : "nodes \(state.text(selector))"
    }
}

/// Numbers in sentences.
enum Counted {
    /// "1 pod", "2 pods".
    static func pods(_ count: Int) -> String { "\(count) \(count == 1 ? "pod" : "pods")" }

    /// "has", "have".
    static func have(_ count: Int) -> String { count == 1 ? "has" : "have" }
}
