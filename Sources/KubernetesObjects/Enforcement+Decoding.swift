// SPDX-License-Identifier: Apache-2.0
import Documents
import PolicyModel

extension Enforcement {
    /// The annotation of a policy object that holds this value.
    public static let annotation = "bulkhead.dev/enforcement"

    /// Bulkhead's annotations; a misspelled one would enforce what was only meant as a trial.
    private static let prefix = "bulkhead.dev/"

    /// The setting in the annotations of a policy; `enforce` if they have none, or none that is known.
    static func decode(_ document: DocumentNode, in context: inout DecodingContext) -> Enforcement {
        guard case .mapping(let entries) = document["metadata"]?["annotations"]?.value else { return .enforce }
        var result = Enforcement.enforce
        let before = context.path
        defer { context.path = before }
        for entry in entries where entry.key.hasPrefix(prefix) && entry.key != PolicyAnnotation.lintIgnore {
            context.path = FieldPath(
                before.components + [.field("metadata"), .field("annotations"), .field(entry.key)])
            guard entry.key == annotation else {
                let hint = NearestName.find(entry.key, among: [annotation, PolicyAnnotation.lintIgnore]).map {
                    "did you mean \($0)?"
                }
                context.fail(line: entry.line, column: entry.column, "unknown annotation", hint: hint)
                continue
            }
            // Values of another type are reported when metadata is read.
            guard let text = entry.value.string else { continue }
            if let known = Enforcement(rawValue: text) {
                result = known
            } else {
                let nearest = NearestName.find(text, among: ["audit", "enforce"])
                context.fail(
                    entry.value, "enforcement '\(text.boundedForMessage)' is unknown: use audit or enforce",
                    hint: nearest.map { "did you mean \($0)?" })
            }
        }
        return result
    }
}
