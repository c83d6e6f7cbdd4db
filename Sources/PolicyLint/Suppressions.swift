// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import KubernetesObjects

/// Which findings the annotations of policies suppress: `bulkhead.dev/lint-ignore: BH004,BH010`.
struct Suppressions {
    private var codes: [String: Set<LintCode>] = [:]

    init(_ objects: [LintObject]) {
        for object in objects {
            let known = Self.written(in: object).compactMap { LintCode($0) }
            if !known.isEmpty { codes[Self.key(object.file, object.label), default: []].formUnion(known) }
        }
    }

    /// The codes as written.
    static func written(in object: LintObject) -> [String] {
        let text = object.node["metadata"]?["annotations"]?[PolicyAnnotation.lintIgnore]?.string ?? ""
        return text.split { $0 == "," || $0 == " " || $0 == "\n" }.map(String.init)
    }

    private static func key(_ file: String, _ object: String) -> String { "\(file)\n\(object)" }

    func cover(_ finding: Finding) -> Bool {
        guard let file = finding.place?.file, let code = LintCode(finding.code) else { return false }
        return codes[Self.key(file, finding.object)]?.contains(code) ?? false
    }
}
