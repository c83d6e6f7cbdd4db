// SPDX-License-Identifier: Apache-2.0
import Findings
import Manifests
import PolicyLint
import PolicyResolver

/// The findings of manifests as text.
func lint(
    _ manifests: String, file: String = "test.yaml", isWholeCluster: Bool = false, ignoring: Set<LintCode> = [],
    settings: PolicySettings = PolicySettings()
) -> FindingReport {
    let (roots, problems) = ManifestReader().roots(Array(manifests.utf8), file: file)
    let documents = roots.map { LintDocument(file: file, index: $0.index, line: $0.line, root: $0.node) }
    return PolicyLint(documents, problems: problems, cluster: .init(isComplete: isWholeCluster), settings: settings)
        .report(ignoring: ignoring)
}

extension FindingReport {
    var codes: [String] { findings.map(\.code) }

    /// `BH004:12`, code and line.
    var codesAndLines: [String] { findings.map { "\($0.code):\($0.place?.line ?? 0)" } }
}

/// A NetworkPolicy of the namespace shop.
func networkPolicy(_ name: String, _ spec: String) -> String {
    """
    ---
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: \(name), namespace: shop}
    spec: \(spec)

    """
}

/// A Deployment of the namespace shop.
func deployment(_ name: String, labels: String, ports: String = "") -> String {
    """
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: \(name), namespace: shop}
    spec:
      template:
        metadata: {labels: \(labels)}
        spec: {containers: [{name: main, ports: [\(ports)]}]}

    """
}
