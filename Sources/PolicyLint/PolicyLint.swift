// SPDX-License-Identifier: Apache-2.0
import Findings
import KubernetesObjects
import PolicyModel
import PolicyResolver

/// Lint of policies: a pure function from documents and the objects of a cluster to findings.
///
/// Some checks read one document as it is written, also one that is refused. Others need pods, namespaces and the other
/// policies; what a policy decides is taken from the compiled tables, never from its text.
public struct PolicyLint: Sendable {
    /// What the checks look at.
    public struct Cluster: Sendable {
        /// Pods and namespaces, also those that stand in for the pods of workloads. Policies among them are ignored.
        public var objects: [KubernetesObject]
        /// Whether these are all pods and namespaces that there are. Otherwise a selector that selects nothing is
        /// reported only where pods of its namespace are known.
        public var isComplete: Bool

        public init(objects: [KubernetesObject] = [], isComplete: Bool = false) {
            self.objects = objects
            self.isComplete = isComplete
        }
    }

    private let objects: [LintObject]
    private let cluster: Cluster
    private let settings: PolicySettings
    private let problems: [ManifestError]

    /// - Parameters:
    ///   - documents: the policies to check, and workloads beside them.
    ///   - problems: of text that could not be read as documents.
    ///   - cluster: pods and namespaces, if they are known from elsewhere.
    public init(
        _ documents: [LintDocument], problems: [ManifestError] = [], cluster: Cluster = Cluster(),
        settings: PolicySettings = PolicySettings()
    ) {
        objects = LintObject.all(documents)
        self.cluster = cluster
        self.settings = settings
        self.problems = problems
    }

    /// Everything that is found and not suppressed.
    ///
    /// - Parameter ignoring: codes that are not reported at all.
    public func report(ignoring: Set<LintCode> = []) -> FindingReport {
        let world = LintWorld(objects, cluster)
        var found: [Finding] = problems.map { Self.refused($0, object: "") }
        for object in objects {
            guard object.isPolicy else {
                // Text without a kind is something else, such as the values of a chart.
                let errors = object.kind.isEmpty ? [] : object.refusals
                found += errors.map { Self.refused($0, object: object.label) }
                continue
            }
            found += TextChecks(object).findings
            found += SelectorChecks(object, world, settings.mesh).findings
        }
        let meaning = MeaningChecks(objects, world, settings)
        found += meaning.findings
        let ignored = Set(ignoring.map(\.rawValue))
        let suppressions = Suppressions(objects)
        let kept = found.filter { !ignored.contains($0.code) && !suppressions.cover($0) }
        return FindingReport(
            name: "bulkhead lint", findings: kept, kinds: LintCode.allCases.map(\.kind),
            suppressed: found.count { suppressions.cover($0) && !ignored.contains($0.code) },
            notes: meaning.isComplete ? [] : [Self.incomplete])
    }

    /// A written rule: `index` counts from 0 in its policy and direction.
    package struct PointlessRule: Hashable {
        package var policy: PolicyReference
        package var direction: Direction
        package var index: Int

        package init(policy: PolicyReference, direction: Direction, index: Int) {
            self.policy = policy
            self.direction = direction
            self.index = index
        }
    }

    /// The rules that can all be removed together without a change of any verdict.
    package var pointlessRules: [PointlessRule] {
        MeaningChecks(objects, LintWorld(objects, cluster), settings).pointlessRules.map {
            PointlessRule(policy: $0.policy, direction: $0.direction, index: $0.index)
        }
    }

    private static let incomplete =
        "The policies were not compared with each other (BH006 to BH008, BH013, BH014): their selectors have too many "
        + "combinations. Lint parts of them, such as one namespace at a time."

    /// A refused document as a finding.
    static func refused(_ error: ManifestError, object: String) -> Finding {
        let place = FindingPlace(file: error.file, line: error.line, column: error.column)
        return Finding(
            LintCode.refused.kind, message: error.reason, place: place, object: object,
            field: error.path.description, fix: error.hint ?? "Correct the document: 'bulkheadctl check' validates it.")
    }
}
