// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Follows a ``RequestPolicy`` by its lines. A batch counts when its commit has been read and checked; after an error
/// the reader is of no more use, and ``policy`` is still that of the last good batch.
public struct RequestPolicyReader: Sendable {
    /// What one reader holds at most, so that a daemon in error cannot exhaust the decider's memory.
    public struct Limits: Sendable {
        public var sources: Int
        public var rules: Int
        public var endpoints: Int
        public init(sources: Int = 2_000_000, rules: Int = 1_000_000, endpoints: Int = 4096) {
            self.sources = sources
            self.rules = rules
            self.endpoints = endpoints
        }
    }

    /// The last complete state; nil before the first.
    public private(set) var policy: RequestPolicy?
    private let limits: Limits
    private var next = RequestPolicy()
    private var changesEndpoints = false
    private var nextEndpoints: [UInt32: RequestEndpoint] = [:]
    private var ruleCount = 0
    private var filling: (number: UInt32, rules: Int, auditRules: Int)?

    /// - Parameter policy: What is known before the first line, from an earlier run.
    public init(_ policy: RequestPolicy? = nil, limits: Limits = Limits()) {
        self.policy = policy
        self.limits = limits
    }

    /// Whether the last line was a commit, or none has been read.
    public var isBetweenBatches: Bool { filling == nil && !isInBatch }
    private var isInBatch = false

    /// - Returns: Whether the line completed a batch: ``policy`` is new.
    public mutating func read(_ line: RequestPolicyLine) throws(RequestPolicyError) -> Bool {
        isInBatch = true
        if case .rule(let rule) = line {
            try add(rule)
            return false
        }
        guard filling == nil else { throw .rulesOutOfPlace }
        switch line {
        case .reset:
            next = RequestPolicy()
            nextEndpoints = [:]
            ruleCount = 0
        case .setClass(let number, let sets): next.classes[number] = sets
        case .removeClass(let number): next.classes[number] = nil
        case .setSource(let prefix, let sourceClass):
            next.sources[prefix] = AddressEntry(addressClass: AddressClassID(rawValue: sourceClass))
        case .removeSource(let prefix): next.sources[prefix] = nil
        case .setProgram(let number, let rules, let auditRules): try begin(number, rules, auditRules)
        case .removeProgram(let number): remove(program: number)
        case .setEndpoint(let number, let endpoint): nextEndpoints[number] = endpoint
        case .removeEndpoint(let number): nextEndpoints[number] = nil
        case .rule: throw .rulesOutOfPlace
        case .commit(let generation, let checksum):
            try commit(generation, checksum)
            return true
        }
        try check()
        return false
    }

    private mutating func remove(program number: UInt32) {
        guard let old = next.programs.removeValue(forKey: number) else { return }
        ruleCount -= old.rules.count + old.auditRules.count
    }

    private mutating func begin(_ number: UInt32, _ rules: Int, _ auditRules: Int) throws(RequestPolicyError) {
        remove(program: number)
        ruleCount += rules + auditRules
        try check()
        next.programs[number] = RequestProgram(rules: [])
        if rules + auditRules > 0 { filling = (number, rules, auditRules) }
    }

    private mutating func add(_ rule: RequestRule) throws(RequestPolicyError) {
        guard var program = filling else { throw .rulesOutOfPlace }
        if program.rules > 0 {
            next.programs[program.number]?.rules.append(rule)
            program.rules -= 1
        } else {
            next.programs[program.number]?.auditRules.append(rule)
            program.auditRules -= 1
        }
        filling = program.rules + program.auditRules > 0 ? program : nil
    }

    private func check() throws(RequestPolicyError) {
        let sources = next.sources.hosts.count + next.sources.prefixes.count
        guard sources <= limits.sources, next.classes.count <= limits.sources else {
            throw .tooMany("sources", limit: limits.sources)
        }
        guard ruleCount <= limits.rules, next.programs.count <= limits.rules else {
            throw .tooMany("rules", limit: limits.rules)
        }
        guard nextEndpoints.count <= limits.endpoints else {
            throw .tooMany("endpoints", limit: limits.endpoints)
        }
    }

    private mutating func commit(
        _ generation: UInt64, _ checksum: RequestPolicyChecksum
    ) throws(RequestPolicyError) {
        for endpoint in nextEndpoints.values where next.programs[endpoint.program] == nil {
            throw .dangling("program \(endpoint.program) of \(endpoint.name)")
        }
        next.endpoints = nextEndpoints
        next.generation = generation
        let found = RequestPolicyChecksum(next)
        guard found == checksum else { throw .checksum(expected: checksum, found: found) }
        isInBatch = false
        policy = next
    }
}
