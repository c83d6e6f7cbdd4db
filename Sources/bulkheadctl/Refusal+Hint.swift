// SPDX-License-Identifier: Apache-2.0

extension Refusal {
    /// Says how to name a pod of another namespace, if the unknown one was written without any.
    ///
    /// - Parameters:
    ///   - from: the flow's ends as they were written.
    ///   - to: the other one.
    func withHint(from: String?, to: String?) -> Refusal {
        guard answer.code == .notFound, !answer.message.contains("did you mean") else { return self }
        for (name, text) in [("'from'", from), ("'to'", to)] {
            guard let text, !text.contains("/"), answer.message.hasPrefix(name) else { continue }
            var hinted = self
            hinted.answer.message += "; for a pod of another namespace write NAMESPACE/\(text), or name it with -n"
            return hinted
        }
        return self
    }
}
