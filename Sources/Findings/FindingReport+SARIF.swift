// SPDX-License-Identifier: Apache-2.0
import Documents

/// SARIF 2.1.0 (OASIS), with what code hosts need to show findings beside the lines and to recognize them again.
extension FindingReport {
    private static let schema = "https://json.schemastore.org/sarif-2.1.0.json"

    /// - Parameter version: of the program that found them.
    public func sarif(version: String = "") -> String {
        var driver: [(String, DocumentNode)] = [("name", .string(name))]
        if !version.isEmpty { driver.append(("version", .string(version))) }
        driver.append(("rules", .array(kinds.map(Self.rule))))
        let run = DocumentNode.object([
            ("tool", .object([("driver", .object(driver))])),
            ("columnKind", .string("unicodeCodePoints")),
            ("results", .array(findings.map(result))),
        ])
        let log = DocumentNode.object([
            ("$schema", .string(Self.schema)), ("version", .string("2.1.0")), ("runs", .array([run])),
        ])
        return Self.printable(log.json) + "\n"
    }

    private static func rule(_ kind: FindingKind) -> DocumentNode {
        var fields: [(String, DocumentNode)] = [
            ("id", .string(kind.code)), ("name", .string(kind.name)),
            ("shortDescription", .object([("text", .string(kind.title))])),
            ("fullDescription", .object([("text", .string(kind.why))])),
            ("defaultConfiguration", .object([("level", .string(kind.severity.level))])),
            (
                "properties",
                .object([
                    ("security-severity", .string(kind.severity.score)),
                    ("tags", .array([.string("security"), .string("network-policy")])),
                ])
            ),
        ]
        if let help = kind.help {
            fields.append(("help", .object([("text", .string("\(kind.why) See \(help)."))])))
        }
        return .object(fields)
    }

    private func result(_ finding: Finding) -> DocumentNode {
        var fields: [(String, DocumentNode)] = [("ruleId", .string(finding.code))]
        if let index = kinds.firstIndex(where: { $0.code == finding.code }) {
            fields.append(("ruleIndex", .integer(Int64(index))))
        }
        let text = finding.fix.isEmpty ? finding.message : "\(finding.message) Fix: \(finding.fix)"
        fields += [
            ("level", .string(finding.severity.level)),
            ("message", .object([("text", .string("\(finding.object): \(text)"))])),
            ("locations", .array([Self.location(finding)])),
            // Without the line, which changes whenever something above it does.
            (
                "partialFingerprints",
                .object([("bulkheadFinding/v1", .string("\(finding.code)|\(finding.object)|\(finding.field)"))])
            ),
        ]
        return .object(fields)
    }

    private static func location(_ finding: Finding) -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if let place = finding.place {
            let uri = PercentEncoding.encode(place.file, keeping: "/-._~")
            var physical: [(String, DocumentNode)] = [("artifactLocation", .object([("uri", .string(uri))]))]
            if place.line > 0 {
                var region: [(String, DocumentNode)] = [("startLine", .integer(Int64(place.line)))]
                if place.column > 0 { region.append(("startColumn", .integer(Int64(place.column)))) }
                physical.append(("region", .object(region)))
            }
            fields.append(("physicalLocation", .object(physical)))
        }
        let name = finding.field.isEmpty ? finding.object : "\(finding.object) \(finding.field)"
        fields.append(("logicalLocations", .array([.object([("fullyQualifiedName", .string(name))])])))
        return .object(fields)
    }
}

extension Severity {
    /// SARIF's result level.
    fileprivate var level: String {
        switch self {
        case .high: "error"
        case .medium: "warning"
        case .low, .info: "note"
        }
    }

    /// The number by which code hosts rank security findings.
    fileprivate var score: String {
        switch self {
        case .high: "8.0"
        case .medium: "5.0"
        case .low: "2.0"
        case .info: "0.0"
        }
    }
}
