// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy

/// Capacities of the tables.
public struct Capacities: Sendable, Hashable {
    /// Usable words of `tables`.
    public var words: UInt32
    public var addressClasses: UInt32
    public var programs: UInt32
    public var rules: UInt32

    public init(words: UInt32, addressClasses: UInt32, programs: UInt32, rules: UInt32) {
        self.words = words
        self.addressClasses = addressClasses
        self.programs = programs
        self.rules = rules
    }

    package var tableBytes: Int { Int(words) * 4 + Int(BH_SLACK_BYTES) }

    package var keyBytes: Int {
        let keys = Int(addressClasses) + Int(programs) + Int(rules) + Int(BH_ENDPOINTS)
        return (keys * MemoryLayout<bh_key>.size + 4095) & ~4095
    }
}

/// The map `keys`: what each number in the tables stands for, so that the next daemon gives it the same meaning.
struct KeyMemory: ~Copyable {
    enum Kind: Int, CaseIterable { case addressClass, program, rule, endpoint }

    private let base: UnsafeMutableRawPointer
    private let live: UnsafeMutableRawPointer
    private var mirror: Mirror
    private let starts: [Int]
    private let counts: [Int]

    init(_ mirror: consuming Mirror, _ capacities: Capacities) {
        base = mirror.copy
        live = mirror.live
        self.mirror = consume mirror
        counts = [
            Int(capacities.addressClasses), Int(capacities.programs), Int(capacities.rules), Int(BH_ENDPOINTS),
        ]
        starts = [0, counts[0], counts[0] + counts[1], counts[0] + counts[1] + counts[2]]
    }

    /// Repairs what others have written into the next `limit` bytes of the map.
    mutating func repair(limit: Int) -> RepairedWords { mirror.repair(limit: limit) }

    /// The number that a word of the map is part of; nil beyond the last one.
    func place(ofWord word: UInt32) -> (kind: Kind?, number: Int) {
        let index = Int(word) * 4 / MemoryLayout<bh_key>.size
        for kind in Kind.allCases.reversed() where index >= starts[kind.rawValue] {
            let number = index - starts[kind.rawValue]
            return (number < counts[kind.rawValue] ? kind : nil, number)
        }
        return (nil, index)
    }

    subscript(kind: Kind, number: UInt32) -> StableKey? {
        let at = (starts[kind.rawValue] + Int(number)) * MemoryLayout<bh_key>.size
        let key = StableKey(
            high: base.load(fromByteOffset: at, as: UInt64.self),
            low: base.load(fromByteOffset: at + 8, as: UInt64.self))
        return key == StableKey(high: 0, low: 0) ? nil : key
    }

    /// Sets (nil: clears) a key. Returns the number of 32-bit words that differed.
    mutating func set(_ kind: Kind, _ number: UInt32, _ key: StableKey?) -> Int {
        let new = key ?? StableKey(high: 0, low: 0)
        guard (self[kind, number] ?? StableKey(high: 0, low: 0)) != new else { return 0 }
        let at = (starts[kind.rawValue] + Int(number)) * MemoryLayout<bh_key>.size
        base.storeBytes(of: new.high, toByteOffset: at, as: UInt64.self)
        base.storeBytes(of: new.low, toByteOffset: at + 8, as: UInt64.self)
        live.storeBytes(of: new.high, toByteOffset: at, as: UInt64.self)
        live.storeBytes(of: new.low, toByteOffset: at + 8, as: UInt64.self)
        return 4
    }

    /// All numbers of a kind in use.
    func all(_ kind: Kind) -> [(number: UInt32, key: StableKey)] {
        (0..<UInt32(counts[kind.rawValue])).compactMap { number in
            self[kind, number].map { (number, $0) }
        }
    }

    var numbering: Numbering {
        var numbering = Numbering()
        for (number, key) in all(.addressClass) { numbering.addressClasses[key] = AddressClassID(rawValue: number) }
        for (number, key) in all(.program) { numbering.programs[key] = ProgramID(rawValue: number) }
        for (number, key) in all(.rule) { numbering.rules[key] = RuleID(rawValue: number) }
        for (number, key) in all(.endpoint) { numbering.endpoints[key] = EndpointID(rawValue: UInt16(number)) }
        return numbering
    }
}
