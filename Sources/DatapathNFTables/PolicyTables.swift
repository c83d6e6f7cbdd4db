// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ConnectionTracking
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

/// Compiled policy as the content of the table. Each step of the compiler gives the transaction that programs it; the
/// content after any steps equals one built from scratch. Pure.
package struct PolicyTables: Sendable {
    package internal(set) var contents: TableContents
    package let options: TableOptions
    /// Whether the last step may have taken something away that was allowed before.
    package private(set) var mayHaveShrunk = false

    /// By name.
    var groups: [String: PeerGroup] = [:]
    /// Those whose members change.
    var changingGroups: Set<String> = []
    var ports: [[ProtocolPorts]: PortGroup] = [:]
    var programs: [ProgramID: ProgramTables] = [:]
    /// How many programs refer to a rule's counter, to its chain of denial, and to a chain where programs begin.
    var counterUses: [String: Int] = [:]
    var denialUses: [String: Int] = [:]
    var entryUses: [String: Int] = [:]
    /// Chains that leave flows to the proxy, by name.
    var handOvers: [String: HandOver] = [:]
    /// By which marks packets on their way to and from the proxy are known.
    package private(set) var marks = SteeringMarks.none
    var endpoints: [EndpointID: EndpointTables] = [:]
    package internal(set) var places: [EndpointID: EndpointPlace] = [:]
    package private(set) var tunnels = TunnelGuard()
    /// How many new flows are reported; nil: none.
    package internal(set) var flows: FlowLimit?
    /// Connections whose packets are dropped.
    package internal(set) var revoked: Set<Connection.Key> = []
    /// Own addresses of the node, from which nothing is forwarded.
    var ownAddresses: Set<IPAddress> = []
    /// How many endpoints claim an address as their own to send from.
    var claims: [IPAddress: Int] = [:]
    /// Where packets of a local address go: the content of the dispatch maps.
    var dispatch: [IPAddress: LocalAddress] = [:]
    /// What endpoints added to the sets that they share.
    var shared = SharedElements()

    /// No policy: everything passes.
    package init(options: TableOptions = TableOptions()) {
        self.options = options
        contents = BaseTable(options: options).contents
    }

    /// Everything from scratch.
    package init(
        _ policy: borrowing CompiledPolicy, places: [EndpointID: EndpointPlace] = [:],
        tunnels: TunnelGuard = TunnelGuard(), marks: SteeringMarks = .none,
        revoked: Set<Connection.Key> = [], flows: FlowLimit? = nil, options: TableOptions = TableOptions()
    ) {
        self.init(options: options)
        _ = set(flows: flows)
        _ = set(marks: marks)
        self.places = places
        _ = set(tunnels: tunnels)
        _ = set(revoked: revoked)
        var everything = CompiledDelta()
        everything.addedPrograms = policy.programs.keys.sorted()
        everything.addedEndpoints = policy.endpoints.keys.sorted()
        updateOwnAddresses(policy)
        _ = plan(everything, of: policy)
    }

    /// Plans one step of the compiler.
    ///
    /// - Returns: what to change in the table; nil if the plan must be rebuilt.
    package mutating func plan(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) -> Transaction? {
        var step = Transaction()
        var changes = MemberChanges()
        mayHaveShrunk = false
        let carried = carriedGroups(delta)
        var newGroups: Set<String> = []
        for id in delta.addedPrograms { addProgram(id, of: policy, carried, &step, &newGroups) }
        guard fill(newGroups, from: policy, &step, &changes) else { return nil }
        // A step may name an address twice; the policy has what holds.
        let moved = Set(delta.addresses.lazy.filter(\.prefix.isHost).map(\.prefix.network))
        for address in moved {
            guard move(address, among: carried, of: policy, &changes) else { return nil }
        }
        // A class that is renamed has other peer sets, without a change of any address.
        if !delta.renamedAddressClasses.isEmpty || delta.addresses.contains(where: { !$0.prefix.isHost }) {
            movePrefixes(among: carried, of: policy, &step, &changes)
        }
        updateEndpoints(delta, of: policy, &changes)
        updateOwnAddresses(moved, of: policy, &changes)
        changes.write(to: &contents, &step)
        if policy.judgesOwnNode, !isJudgingOwnNode { noteShrink() }
        isJudgingOwnNode = policy.judgesOwnNode
        updateOwnNodeTable(&step)
        for id in delta.removedPrograms { removeProgram(id, &step) }
        updateProxyChains(&step)
        return step
    }

    /// Whether packets to the pods' own node are judged.
    private var isJudgingOwnNode = false

    /// Updates the chains for packets to the pods' own node.
    mutating func updateOwnNodeTable(_ step: inout Transaction) {
        let own = OwnNodeTable(base: BaseTable(options: options), isJudging: isJudgingOwnNode, flows: flows)
        let isNeeded = isJudgingOwnNode || !tunnels.isEmpty
        let (sets, chains) = isNeeded ? (own.sets, own.chains) : ([], [])
        for set in sets where contents.sets[set.shape.name] == nil { add(set, &step) }
        for chain in chains {
            if let old = contents.chains[chain.name] {
                guard old != chain else { continue }
                contents.chains[chain.name] = chain
                step.rewrittenChains.append(chain)
            } else {
                add(chain, &step)
            }
        }
        let kept = Set(chains.map(\.name) + sets.map(\.shape.name))
        for name in OwnNodeTable.chainNames where !kept.contains(name) { removeChain(name, &step) }
        for name in OwnNodeTable.setNames where !kept.contains(name) { removeSet(name, &step) }
    }

    /// Sets by which marks packets on their way to and from the proxy are known.
    package mutating func set(marks: SteeringMarks) -> Transaction {
        var step = Transaction()
        self.marks = marks
        updateProxyChains(&step)
        return step
    }

    /// The base chains as the marks and the rules make them.
    var base: BaseTable { BaseTable(options: options, marks: marks, handsOver: !handOvers.isEmpty) }

    /// Updates the chains that depend on the proxy's marks.
    private mutating func updateProxyChains(_ step: inout Transaction) {
        let chains = base.proxyChains + handOvers.sorted { $0.key < $1.key }.map { chain($0.key, $0.value) }
        for chain in chains where contents.chains[chain.name] != chain {
            if contents.chains[chain.name] == nil {
                add(chain, &step)
            } else {
                contents.chains[chain.name] = chain
                step.rewrittenChains.append(chain)
            }
        }
        let kept = Set(chains.map(\.name))
        for name in BaseTable.proxyChainNames where !kept.contains(name) { removeChain(name, &step) }
    }

    /// Sets which tunnel packets are dropped.
    package mutating func set(tunnels: TunnelGuard) -> Transaction {
        var step = Transaction()
        var changes = MemberChanges()
        func port(_ number: UInt16) -> SetElement { SetElement(key: [UInt8(number >> 8), UInt8(number & 255)]) }
        changes.replace(
            self.tunnels.udpPorts.map(port), by: tunnels.udpPorts.map(port), in: TableName.tunnelPorts)
        changes.replace(
            self.tunnels.protocols.map { SetElement(key: [$0]) }, by: tunnels.protocols.map { SetElement(key: [$0]) },
            in: TableName.tunnelProtocols)
        for address in tunnels.nodes.subtracting(self.tunnels.nodes) {
            changes.add(address, to: TableName.nodes(address.family))
        }
        for address in self.tunnels.nodes.subtracting(tunnels.nodes) {
            changes.remove(address, from: TableName.nodes(address.family))
        }
        self.tunnels = tunnels
        changes.write(to: &contents, &step)
        updateOwnNodeTable(&step)
        return step
    }

    /// Sets whose packets are dropped, whatever their state.
    package mutating func set(revoked: Set<Connection.Key>) -> Transaction {
        var step = Transaction()
        var changes = MemberChanges()
        func element(_ key: Connection.Key) -> SetElement {
            SetElement(key: key.source.networkBytes + key.identifier)
        }
        for key in revoked.subtracting(self.revoked) {
            changes.add(element(key), to: TableName.revoked(key.source.family))
        }
        for key in self.revoked.subtracting(revoked) {
            changes.remove(element(key), from: TableName.revoked(key.source.family))
        }
        self.revoked = revoked
        changes.write(to: &contents, &step)
        let chain = BaseTable.revokedFlows(isAny: !revoked.isEmpty)
        if contents.chains[chain.name] != chain {
            contents.chains[chain.name] = chain
            step.rewrittenChains.append(chain)
        }
        return step
    }

    /// Names of the groups of programs that existed before and stay: their members change with the addresses in the
    /// delta. All others are filled again. Nil: all.
    private func carriedGroups(_ delta: CompiledDelta) -> Set<String>? {
        guard !delta.addedPrograms.isEmpty || !delta.removedPrograms.isEmpty else { return nil }
        let removed = Set(delta.removedPrograms)
        var carried: Set<String> = []
        for (id, tables) in programs where !removed.contains(id) { carried.formUnion(tables.groups) }
        return carried
    }

    /// Sets where an endpoint's packets enter and leave the node; nil forgets it.
    package mutating func setPlace(_ place: EndpointPlace?, of endpoint: EndpointID) -> Transaction {
        var step = Transaction()
        var changes = MemberChanges()
        places[endpoint] = place.flatMap { $0.isEmpty ? nil : $0 }
        if let tables = endpoints[endpoint] { replaceElements(of: endpoint, as: tables.endpoint, &changes) }
        changes.write(to: &contents, &step)
        return step
    }

    /// Endpoint by address, for events and for the check of established flows.
    package func endpoint(owning address: IPAddress) -> EndpointID? { dispatch[address]?.endpoint }

    // Everything below is for the extensions to change.

    mutating func noteShrink() { mayHaveShrunk = true }

    mutating func add(_ object: TableObject, _ step: inout Transaction) {
        contents.objects[object.name] = object
        step.newObjects.append(object)
    }
    mutating func add(_ set: TableSet, _ step: inout Transaction) {
        contents.sets[set.shape.name] = set
        step.newSets.append(set)
    }
    mutating func add(_ chain: TableChain, _ step: inout Transaction) {
        contents.chains[chain.name] = chain
        step.newChains.append(chain)
    }
    mutating func removeObject(_ name: String, _ step: inout Transaction) {
        if let object = contents.objects.removeValue(forKey: name) { step.removedObjects.append(object) }
    }
    mutating func removeSet(_ name: String, _ step: inout Transaction) {
        if contents.sets.removeValue(forKey: name) != nil { step.removedSets.append(name) }
    }
    mutating func removeChain(_ name: String, _ step: inout Transaction) {
        guard let chain = contents.chains.removeValue(forKey: name) else { return }
        step.removedChains.append(name)
        if chain.hook != nil { step.removedBaseChains.insert(name) }
    }
}

/// A rule's chain that leaves its flows to the proxy.
struct HandOver: Hashable, Sendable {
    var rule: RuleID
    var identity: RuleIdentity
    var direction: Direction
    /// How many programs refer to it.
    var uses = 0
}

/// A local address in the dispatch maps.
struct LocalAddress: Hashable, Sendable {
    var endpoint: EndpointID
    var ingress: ProgramID
    var egress: ProgramID
}

/// What an endpoint added to the sets that all endpoints share.
struct EndpointTables: Sendable {
    var endpoint = CompiledEndpoint?.none
    var addresses: [IPAddress] { endpoint?.addresses ?? [] }
    var elements: [(set: String, element: SetElement)] = []
    /// Addresses that come only from its place.
    var claimed: [IPAddress] = []
}

extension TunnelGuard {
    /// Whether it drops nothing.
    var isEmpty: Bool { udpPorts.isEmpty && protocols.isEmpty }
}
