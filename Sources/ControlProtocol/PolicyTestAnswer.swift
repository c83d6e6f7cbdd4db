// SPDX-License-Identifier: Apache-2.0

/// Answer of `bulkheadctl test`.
public struct PolicyTestAnswer: Codable, Sendable, Hashable {
    public var passed: Int
    public var failed: Int
    /// Tests that say nothing about the cluster, for example because there is no such pod.
    public var errors: Int
    public var files: [TestFileAnswer]

    public init(files: [TestFileAnswer]) {
        self.files = files
        let results = files.flatMap(\.tests).map(\.result)
        passed = results.count { $0 == TestCaseAnswer.passed }
        failed = results.count { $0 == TestCaseAnswer.failed }
        errors = results.count { $0 == TestCaseAnswer.error }
    }
}

/// One file of tests.
public struct TestFileAnswer: Codable, Sendable, Hashable {
    public var file: String
    /// Why the file or its manifests are refused; then no test ran.
    public var problems: [String]
    public var tests: [TestCaseAnswer]

    public init(file: String, problems: [String] = [], tests: [TestCaseAnswer] = []) {
        self.file = file
        self.problems = problems
        self.tests = tests
    }
}

/// One test.
public struct TestCaseAnswer: Codable, Sendable, Hashable {
    /// The ``result`` of a test whose flows are as expected.
    public static let passed = "passed"
    /// … are not.
    public static let failed = "failed"
    /// … of a test that says nothing.
    public static let error = "error"

    public var name: String
    /// Where the file has it, counted from 1.
    public var line: Int
    /// What it expects: `deny shop/web to shop/redis 6379/TCP`.
    public var claim: String
    /// `passed`, `failed` or `error`.
    public var result: String
    /// A flow that is not as expected and what decided about it, or what is wrong with the test. Empty if it passed.
    public var reasons: [String]

    public init(name: String, line: Int, claim: String, result: String, reasons: [String]) {
        self.name = name
        self.line = line
        self.claim = claim
        self.result = result
        self.reasons = reasons
    }
}
