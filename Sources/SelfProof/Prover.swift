// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

/// Chooses what the kernel is asked about, so that in time everything that can decide about a packet is: every cell,
/// every address, both ends of every run of ports, every endpoint.
///
/// The tables may change between two turns. A turn takes time proportional to the number of its questions, except when
/// it begins a program or finds other endpoints than before: then also to this node's classes, port segments or
/// endpoints. Nothing is proportional to the cluster's addresses. The same seed and tables give the same questions in
/// one process, not in another: the order of addresses is that of a dictionary.
public struct Prover: Sendable {
    /// What a question is meant to find.
    public enum Aim: String, Sendable, CaseIterable {
        /// A wrong cell, row or column of a program.
        case cell
        /// An address or prefix with a wrong entry.
        case address
        /// A port in a wrong class.
        case port
        /// An endpoint with wrong programs.
        case endpoint
        /// Packets between endpoints and their own node.
        case ownNode
        /// What real packets did lately.
        case recent
        /// Anything else.
        case random
    }

    /// A question, and what it is meant to find.
    public struct Asked: Sendable, Hashable {
        public var question: KernelQuestion
        public var aim: Aim
    }

    var random: ProofRandom
    var members = ClassMembers()
    var learning = KeySweep<IPAddress>()
    var hosts = KeySweep<IPAddress>()
    var prefixes = KeySweep<CIDR>()
    /// The prefix whose corners are asked about, and the next corner.
    var corner: (prefix: CIDR, number: Int)?
    /// Endpoints in order, as of the last look.
    var endpoints: [EndpointID] = []
    var endpointTurn = 0
    var ownNodeTurn = 0
    var portTurn = 0
    var programs: [ProgramID] = []
    var plan: ProgramPlan?
    var recent: [Flow] = []
    var busyRules: Set<RuleID> = []
    private var lane = 0
    /// Complete rounds over all programs.
    public internal(set) var rounds = 0

    public init(seed: UInt64) { random = ProofRandom(seed: seed) }

    /// The order of aims: half of the questions are about cells.
    private static let lanes: [Aim] = [
        .cell, .address, .cell, .port, .cell, .endpoint, .cell, .address,
        .recent, .cell, .random, .cell, .address, .cell, .ownNode, .cell,
    ]
    /// How many addresses are looked at for each question, to know members of all classes soon.
    private static let learnedPerQuestion = 4
    private static let recentLimit = 64

    /// The next questions: at most `count`, fewer if the tables have little to ask about.
    public mutating func questions(_ count: Int, of policy: CompiledPolicy) -> [Asked] {
        learn(count * Self.learnedPerQuestion, policy)
        lookForEndpoints(policy)
        guard !endpoints.isEmpty else { return [] }
        var asked: [Asked] = []
        asked.reserveCapacity(count)
        for _ in 0..<count {
            let aim = Self.lanes[lane % Self.lanes.count]
            lane += 1
            if let question = question(aim, policy) {
                asked.append(Asked(question: question, aim: aim))
            } else if let question = randomQuestion(policy) {
                asked.append(Asked(question: question, aim: .random))
            }
        }
        return asked
    }

    /// Notes a real packet, so that the same is asked of kernel and tables.
    public mutating func note(recent flow: Flow) {
        guard flow.source.isAskable, flow.destination.isAskable, KernelQuestion(flow: flow).isPossible,
            !recent.contains(flow)
        else { return }
        if recent.count == Self.recentLimit { recent.removeFirst() }
        recent.append(flow)
    }

    /// Notes rules that have counted packets lately: the cells that name them are asked about first.
    public mutating func note(busy rules: [RuleID]) { busyRules = Set(rules.prefix(Self.recentLimit)) }

    private mutating func question(_ aim: Aim, _ policy: CompiledPolicy) -> KernelQuestion? {
        switch aim {
        case .cell: cellQuestion(policy)
        case .address: addressQuestion(policy)
        case .port: portQuestion(policy)
        case .endpoint: endpointQuestion(policy)
        case .ownNode: ownNodeQuestion(policy)
        case .recent: recentQuestion(policy) ?? busyQuestion(policy)
        case .random: randomQuestion(policy)
        }
    }

    private mutating func learn(_ count: Int, _ policy: CompiledPolicy) {
        for _ in 0..<min(count, policy.addresses.hosts.count) {
            guard let address = learning.next(in: policy.addresses.hosts) else { break }
            note(address, policy.addresses.entry(of: address))
        }
    }

    mutating func note(_ address: IPAddress, _ entry: AddressEntry) {
        if address.isAskable { members.note(address, entry, &random) }
    }

    /// Endpoints are few: they are listed again as soon as one is missing or new.
    private mutating func lookForEndpoints(_ policy: CompiledPolicy) {
        let isSame =
            endpoints.count == policy.endpoints.count
            && (endpoints.isEmpty || policy.endpoints[endpoints[random.below(endpoints.count)]] != nil)
        if !isSame { endpoints = policy.endpoints.keys.sorted() }
    }
}
