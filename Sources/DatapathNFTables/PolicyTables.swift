// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

/// Compiled policy as the contents of the table. Each step of the compiler gives the transaction that carries it out;
/// the contents after any steps equal those built from scratch. Pure.
package struct PolicyTables: Sendable {
    package private(set) var contents: TableContents
    package let options: TableOptions
    /// Whether the last step may have taken something away that was allowed before.
    package private(set) var mayHaveShrunk = false

    /// By name.
    var groups: [String: PeerGroup] = [:]
    var ports: [[ProtocolPorts]: PortGroup] = [:]
    var programs: [ProgramID: ProgramTables] = [:]
    /// How many programs refer to a rule's counter, to its chain of denial, and to a chain where programs begin.
    var counterUses: [String: Int] = [:]
    var denialUses: [String: Int] = [:]
    var entryUses: [String: Int] = [:]
    var endpoints: [EndpointID: EndpointTables] = [:]
    var interfaces: [EndpointID: EndpointInterface] = [:]
    /// Where packets of a local address go: what stands in the dispatch maps.
    var dispatch: [IPAddress: LocalAddress] = [:]
    /// How many endpoints put an element into a set.
    var elementUses: [String: [SetElement: Int]] = [:]

    /// No policy: everything is let through.
    package init(options: TableOptions = TableOptions()) {
        self.options = options
        contents = BaseTable(options: options).contents
    }

    /// Everything anew.
    package init(
        _ policy: borrowing CompiledPolicy, interfaces: [EndpointID: EndpointInterface] = [:],
        options: TableOptions = TableOptions()
    ) {
        self.init(options: options)
        self.interfaces = interfaces
        var everything = CompiledDelta()
        everything.addedPrograms = policy.programs.keys.sorted()
        everything.addedEndpoints = policy.endpoints.keys.sorted()
        _ = apply(everything, of: policy)
    }

    /// Carries out one step of the compiler on the plan.
    ///
    /// - Returns: what is to be done to the table; nil when the plan must be built anew.
    package mutating func apply(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) -> Transaction? {
        var step = Transaction()
        var changes = MemberChanges()
        mayHaveShrunk = false
        let carried = carriedGroups(delta)
        var newGroups: Set<String> = []
        for id in delta.addedPrograms { addProgram(id, of: policy, carried, &step, &newGroups) }
        guard fill(newGroups, from: policy, &step, &changes) else { return nil }
        // An address may be told twice; the policy has what holds.
        let moved = Set(delta.addresses.lazy.filter(\.prefix.isHost).map(\.prefix.network))
        for address in moved {
            guard move(address, among: carried, of: policy, &changes) else { return nil }
        }
        updateEndpoints(delta, of: policy, &changes)
        changes.apply(to: &contents, &step)
        judgeOwnNode(policy.judgesOwnNode, &step)
        for id in delta.removedPrograms { removeProgram(id, &step) }
        return step
    }

    /// Adds or removes what judges packets to the pods' own node.
    private mutating func judgeOwnNode(_ judges: Bool, _ step: inout Transaction) {
        guard judges != (contents.chains[TableName.input] != nil) else { return }
        let own = OwnNodeTable(base: BaseTable(options: options))
        if judges {
            for set in own.sets { add(set, &step) }
            for chain in own.chains { add(chain, &step) }
            noteShrink()
        } else {
            for chain in own.chains { removeChain(chain.name, &step) }
            for set in own.sets { removeSet(set.shape.name, &step) }
        }
    }

    /// Names of the groups that programs refer to which were there before and stay: their members change as addresses
    /// are told. All others are filled anew. Nil: all.
    private func carriedGroups(_ delta: CompiledDelta) -> Set<String>? {
        guard !delta.addedPrograms.isEmpty || !delta.removedPrograms.isEmpty else { return nil }
        let removed = Set(delta.removedPrograms)
        var carried: Set<String> = []
        for (id, tables) in programs where !removed.contains(id) { carried.formUnion(tables.groups) }
        return carried
    }

    /// Sets (nil: forgets) the interface by which an endpoint's packets enter the node.
    package mutating func setInterface(_ interface: EndpointInterface?, of endpoint: EndpointID) -> Transaction {
        var step = Transaction()
        var changes = MemberChanges()
        let addresses = endpoints[endpoint]?.addresses
        if let addresses { replaceElements(of: endpoint, addresses: addresses, interface: interface, &changes) }
        interfaces[endpoint] = interface
        changes.apply(to: &contents, &step)
        return step
    }

    /// Endpoint by address, for events and for the check of established flows.
    package func endpoint(owning address: IPAddress) -> EndpointID? { dispatch[address]?.endpoint }

    // Everything below is what the extensions need to change.

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
        if contents.chains.removeValue(forKey: name) != nil { step.removedChains.append(name) }
    }
}

/// A local address in the dispatch maps.
struct LocalAddress: Hashable, Sendable {
    var endpoint: EndpointID
    var ingress: ProgramID
    var egress: ProgramID
}

/// What an endpoint put into the sets that all endpoints share.
struct EndpointTables: Sendable {
    var addresses: [IPAddress] = []
    var elements: [(set: String, element: SetElement)] = []
}
