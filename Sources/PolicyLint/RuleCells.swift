// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver

/// Which rules meet: for every address class, port class and program of the compiled tables, the rules that match
/// there, in order of evaluation. Each combination once.
struct RuleCells {
    /// One written rule. A policy's rules are counted per direction.
    struct Rule: Hashable {
        var policy: PolicyReference
        var direction: Direction
        var index: Int
    }

    /// A rule where it matches.
    struct Match: Hashable {
        var rule: Rule
        var tier: Tier
        var action: RuleAction
        var readsRequests: Bool
    }

    private(set) var cells: Set<[Match]> = []
    /// Whether a program did not fit the compiler's limits.
    private(set) var isOverLimit = false

    /// Pods that one node can decide for, with room.
    private static let localLimit = 1_500

    init(_ policies: [KubernetesObject], _ witnesses: Witnesses, _ settings: PolicySettings) {
        var rest = witnesses.subjects[...]
        repeat {
            let local = rest.prefix(Self.localLimit)
            rest = rest.dropFirst(Self.localLimit)
            var pipeline = PolicyPipeline(nodeName: Witnesses.node, settings: settings)
            _ = pipeline.apply((witnesses.objects(local: local) + policies).map { .set($0) })
            add(pipeline.compiled)
        } while !rest.isEmpty
    }

    private mutating func add(_ compiled: CompiledPolicy) {
        let classes = MemberClasses(compiled)
        let flows = Self.flows(compiled)
        for (_, program) in compiled.programs {
            isOverLimit = isOverLimit || !compiled.programsOverLimit.isEmpty
            add(program, compiled, classes, flows)
        }
    }

    private mutating func add(
        _ program: Program, _ compiled: CompiledPolicy, _ classes: MemberClasses, _ flows: [Flow]
    ) {
        let matches = program.rules.map { Self.match($0, compiled) }
        let columns = Set(flows.map { flow in program.rules.map { $0.ports.matches(flow) } })
        for row in classes.rows(of: program) {
            for column in columns {
                var cell: [Match] = []
                for index in row where column[index] {
                    // What is always allowed says nothing about the rules after it.
                    guard let match = matches[index] else {
                        cell = []
                        break
                    }
                    if cell.last != match { cell.append(match) }
                }
                if cell.count > 0 { cells.insert(cell) }
            }
        }
    }

    /// Nil for rules that no policy contains.
    private static func match(_ rule: ProgramRule, _ compiled: CompiledPolicy) -> Match? {
        guard case .rule(let policy, let direction, let index, _)? = compiled.rules[rule.rule]?.identity else {
            return nil
        }
        return Match(
            rule: Rule(policy: policy, direction: direction, index: index), tier: rule.tier, action: rule.action,
            readsRequests: rule.request != nil)
    }

    /// One flow for each port class, and one of a protocol without ports.
    private static func flows(_ compiled: CompiledPolicy) -> [Flow] {
        let none = IPAddress(v4: 0)
        var seen: Set<PortClassID> = []
        var flows = [Flow(source: none, destination: none, ipProtocol: .icmp, destinationPort: nil)]
        for segment in compiled.portSegments where seen.insert(segment.portClass).inserted {
            flows.append(
                Flow(
                    source: none, destination: none, ipProtocol: segment.ports.ipProtocol,
                    destinationPort: segment.ports.range.first))
        }
        return flows
    }
}

/// The address classes of tables by the peer sets that their members are in.
private struct MemberClasses {
    private var bySet: [PeerSetID: [Int]] = [:]
    /// The peer sets of each class.
    private var members: [[PeerSetID]] = []

    init(_ compiled: CompiledPolicy) {
        for (_, addressClass) in compiled.addressClasses.sorted(by: { $0.key < $1.key }) {
            for set in addressClass.peerSets { bySet[set, default: []].append(members.count) }
            members.append(addressClass.peerSets)
        }
    }

    /// The rules of a program that match each class by their peers, as ascending positions. Each combination once.
    func rows(of program: Program) -> Set<[Int]> {
        var byClass: [Int: [Int]] = [:]
        var everywhere: [Int] = []
        var excluding: [Int] = []
        for (index, rule) in program.rules.enumerated() {
            switch rule.peers {
            case .any: everywhere.append(index)
            case .sets(let sets):
                for number in Set(sets.flatMap { bySet[$0] ?? [] }) { byClass[number, default: []].append(index) }
            case .terms: excluding.append(index)
            }
        }
        // Conditions that exclude match most classes; only authorization has them.
        for index in excluding {
            for (number, sets) in members.enumerated() where program.rules[index].peers.matches(sets) {
                byClass[number, default: []].append(index)
            }
        }
        var rows = Set(byClass.values.map { ($0 + everywhere).sorted() })
        // Also the class of addresses that are in no set.
        rows.insert(everywhere)
        return rows
    }
}
