// SPDX-License-Identifier: Apache-2.0

/// How grave a finding is. Stable: a finding's code decides it, so that a limit in CI keeps its meaning.
public enum Severity: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    case high
    case medium
    case low
    case info

    /// The graver one is greater.
    public static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }

    private var rank: Int {
        switch self {
        case .high: 3
        case .medium: 2
        case .low: 1
        case .info: 0
        }
    }
}

/// A position in a file of manifests.
public struct FindingPlace: Sendable, Hashable, Codable, Comparable {
    public var file: String
    /// Counted from 1; 0: the file as a whole.
    public var line: Int
    /// Counted from 1; 0: the line as a whole.
    public var column: Int

    public init(file: String, line: Int = 0, column: Int = 0) {
        self.file = file
        self.line = line
        self.column = column
    }

    public static func < (a: Self, b: Self) -> Bool { (a.file, a.line, a.column) < (b.file, b.line, b.column) }
}

/// What every finding with one code has in common.
public struct FindingKind: Sendable, Hashable, Codable {
    /// `BH001`. Never reused for something else.
    public var code: String
    /// In lower case with hyphens: the name of the code for people and programs.
    public var name: String
    /// One line, without a full stop.
    public var title: String
    public var severity: Severity
    /// Why it matters, in a sentence or two.
    public var why: String
    /// The address of the page about the code.
    public var help: String?

    public init(
        code: String, name: String, title: String, severity: Severity, why: String, help: String? = nil
    ) {
        self.code = code
        self.name = name
        self.title = title
        self.severity = severity
        self.why = why
        self.help = help
    }
}

/// One thing to report: about an object, at a place, with what to do.
///
/// Every text may contain what others chose, such as names with control characters. The renderings of a
/// ``FindingReport`` make it harmless.
public struct Finding: Sendable, Hashable, Codable {
    public var code: String
    public var severity: Severity
    /// The kind's title.
    public var title: String
    /// What was found, in whole sentences.
    public var message: String
    /// Where; nil for what is in no file.
    public var place: FindingPlace?
    /// `NetworkPolicy shop/redis`.
    public var object: String
    /// The field inside the object: `spec.ingress[0].from[1]`. Empty: the object as a whole.
    public var field: String
    /// What to do about it.
    public var fix: String

    public init(
        _ kind: FindingKind, message: String, place: FindingPlace? = nil, object: String, field: String = "",
        fix: String
    ) {
        code = kind.code
        severity = kind.severity
        title = kind.title
        self.message = message
        self.place = place
        self.object = object
        self.field = field
        self.fix = fix
    }
}
