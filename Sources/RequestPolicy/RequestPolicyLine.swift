// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// One line of the document by which the daemon tells a decider its ``RequestPolicy``. Lines up to a commit belong
/// together.
public enum RequestPolicyLine: Sendable, Hashable {
    /// All earlier lines are void: a snapshot follows.
    case reset
    case setClass(UInt32, [PeerSetID])
    case removeClass(UInt32)
    case setSource(CIDR, sourceClass: UInt32)
    case removeSource(CIDR)
    /// As many ``rule(_:)`` lines follow, those of the audit last.
    case setProgram(UInt32, rules: Int, auditRules: Int)
    case rule(RequestRule)
    case removeProgram(UInt32)
    case setEndpoint(UInt32, RequestEndpoint)
    case removeEndpoint(UInt32)
    /// The end of a batch: what is held now, and the checksum that it should have.
    case commit(generation: UInt64, checksum: RequestPolicyChecksum)
}

/// What changes one ``RequestPolicy`` into another.
public struct RequestPolicyChange: Sendable, Equatable {
    /// The last one is a commit.
    public private(set) var lines: [RequestPolicyLine] = []

    /// A snapshot.
    public init(_ policy: RequestPolicy) {
        lines = [.reset]
        append(from: RequestPolicy(), to: policy)
    }

    public init(from old: RequestPolicy, to new: RequestPolicy) { append(from: old, to: new) }

    /// Whether nothing but the generation changes.
    public var isEmpty: Bool { lines.count == 1 }

    /// The lines as JSON, each with its line feed.
    public var bytes: [UInt8] {
        var output: [UInt8] = []
        for line in lines { line.append(to: &output) }
        return output
    }

    private mutating func append(from old: RequestPolicy, to new: RequestPolicy) {
        for (number, sets) in new.classes where old.classes[number] != sets { lines.append(.setClass(number, sets)) }
        for number in old.classes.keys where new.classes[number] == nil { lines.append(.removeClass(number)) }
        if old.sources != new.sources { appendSources(from: old, to: new) }
        for (number, program) in new.programs where old.programs[number] != program {
            lines.append(
                .setProgram(number, rules: program.rules.count, auditRules: program.auditRules.count))
            lines += (program.rules + program.auditRules).map(RequestPolicyLine.rule)
        }
        for number in old.programs.keys where new.programs[number] == nil { lines.append(.removeProgram(number)) }
        for (number, endpoint) in new.endpoints where old.endpoints[number] != endpoint {
            lines.append(.setEndpoint(number, endpoint))
        }
        for number in old.endpoints.keys where new.endpoints[number] == nil { lines.append(.removeEndpoint(number)) }
        lines.append(.commit(generation: new.generation, checksum: RequestPolicyChecksum(new)))
    }

    private mutating func appendSources(from old: RequestPolicy, to new: RequestPolicy) {
        for (address, entry) in new.sources.hosts where old.sources.hosts[address] != entry {
            lines.append(.setSource(CIDR(host: address), sourceClass: entry.addressClass.rawValue))
        }
        for (prefix, entry) in new.sources.prefixes where old.sources.prefixes[prefix] != entry {
            lines.append(.setSource(prefix, sourceClass: entry.addressClass.rawValue))
        }
        for address in old.sources.hosts.keys where new.sources.hosts[address] == nil {
            lines.append(.removeSource(CIDR(host: address)))
        }
        for prefix in old.sources.prefixes.keys where new.sources.prefixes[prefix] == nil {
            lines.append(.removeSource(prefix))
        }
    }
}
