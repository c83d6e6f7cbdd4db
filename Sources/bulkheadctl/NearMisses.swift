// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects

/// What was probably meant by names in a question that has an empty answer. It only helps: what cannot be found out
/// is left out.
struct NearMisses {
    let client: ControlClient

    /// What a filter names that does not exist, one line each, and why else there may be nothing.
    func lines(_ filter: FlowFilterOptions) async -> [String] {
        var lines: [String] = []
        for (option, end) in filter.ends {
            guard let end, case .pod(let namespace, let name)? = FlowFilter.End(end) else { continue }
            if let problem = await problem(with: [("pod", "\(namespace)/\(name)")]) {
                lines.append("\(option): \(problem)")
            }
        }
        if let policy = filter.policy, let problem = await problem(with: [("policy", policy)]) {
            lines.append("--policy: \(problem)")
        }
        if let namespace = filter.namespace, let problem = await problem(withNamespace: namespace) {
            lines.append("-n: \(problem)")
        }
        return lines
    }

    /// What the subject of a history is like, if nothing has its name.
    func lines(subject: String) async -> [String] {
        guard let known = await names() else { return [] }
        let all = Set(known.flatMap { [$0.namespace, $0.name, "\($0.namespace)/\($0.name)"] })
        guard !all.contains(subject) else { return [] }
        let meant = NearestName.find(subject, among: Array(all.filter { !$0.isEmpty && $0 != "/" }))
        let text = "no policy, pod of this node or namespace is named \(subject) now"
        return [text + (meant.map { "; did you mean \($0)?" } ?? "")]
    }

    /// What the daemon says of a pod or policy that it does not know.
    private func problem(with query: [(String, String)]) async -> String? {
        do {
            _ = try await client.ask(.get, .describe, query: query)
        } catch let refusal as Refusal where refusal.answer.code == .notFound {
            return refusal.answer.message
        } catch {}
        return nil
    }

    /// Why a list without rows may have none: what there is not, and a namespace that was probably meant.
    func lines(none what: String, _ list: ListOptions) async -> [String] {
        guard let namespace = list.namespace else { return [what] }
        let problem = await problem(withNamespace: namespace)
        return ["\(what) in namespace \(namespace)"] + (problem.map { ["-n: \($0)"] } ?? [])
    }

    private func problem(withNamespace namespace: String) async -> String? {
        guard let known = await names() else { return nil }
        let namespaces = Set(known.map(\.namespace)).subtracting([""])
        guard !namespaces.contains(namespace) else { return nil }
        let meant = NearestName.find(namespace, among: Array(namespaces))
        return "no pod of this node and no policy is in namespace \(namespace)"
            + (meant.map { "; did you mean \($0)?" } ?? "")
    }

    /// Of this node's pods and of all policies.
    private func names() async -> [(namespace: String, name: String)]? {
        guard let pods = try? await client.ask(EndpointsAnswer.self, .get, .endpoints),
            let policies = try? await client.ask(PoliciesAnswer.self, .get, .policies)
        else { return nil }
        return pods.endpoints.map { ($0.namespace, $0.name) } + policies.policies.map { ($0.namespace, $0.name) }
    }
}
