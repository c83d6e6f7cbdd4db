// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import PolicyPipeline
import PolicySources

/// A cluster as its manifests tell it.
enum OfflineCluster {
    /// - Throws: ``CommandFailure`` when documents are refused and that is not to be ignored. What is refused, or not
    ///   enforced though it is a policy, is told on standard error either way.
    static func read(_ paths: [String], ignoringProblems: Bool) throws -> ClusterVerdict {
        let check = ManifestCheck.run(paths: paths)
        for notice in check.notices where notice.reason == .notEnforced { Terminal.complain("warning: \(notice)") }
        for problem in check.problems { Terminal.complain("refused: \(Problem(problem.error))") }
        guard check.problems.isEmpty || ignoringProblems else {
            throw CommandFailure(
                "\(Words.count(check.problems.count, "problem")) in the manifests: a policy could be missing from the verdict "
                    + "(--ignore-problems goes on without what is refused)")
        }
        return ClusterVerdict(objects: check.objects)
    }
}
