// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ConnectionTracking
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel
import Synchronization

/// One comparison of the kernel's table with policy, on any thread: reading a large table takes long. It holds the state
/// of one moment. Whether that moment has passed is known from the generation of the kernel's ruleset.
final class TableComparison: Sendable {
    private enum Outcome {
        case differences([String])
        case changed
        case failed(DatapathError)
    }

    /// Until it runs: what it holds longer, a change would have to copy.
    private let inputs: Mutex<(policy: CompiledPolicy, more: TableInputs)?>
    private let generation: UInt32
    /// A socket of its own, in the network namespace of the datapath.
    private let socket: Mutex<NetfilterSocket>
    private let outcome = Mutex<Outcome?>(nil)

    /// - Parameter generation: of the ruleset, which holds the tables of these inputs.
    init(_ policy: CompiledPolicy, _ more: TableInputs, generation: UInt32) throws(DatapathError) {
        inputs = Mutex((policy, more))
        self.generation = generation
        socket = Mutex(try NetfilterSocket())
    }

    func run() {
        guard let contents = wantedContents() else { return }
        let (result, isSame) = socket.withLock { socket in
            let result = Result { () throws(DatapathError) in try Self.differences(from: contents, socket) }
            let now = Result { () throws(DatapathError) in try TableReader.generation(socket) }
            return (result, (try? now.get()) == generation)
        }
        outcome.withLock { outcome in
            // The table was read while it changed: not what it was at any moment, and a part of it may be gone.
            guard isSame else {
                outcome = .changed
                return
            }
            switch result {
            case .success(let differences): outcome = .differences(differences)
            case .failure(let error): outcome = .failed(error)
            }
        }
    }

    private func wantedContents() -> TableContents? {
        let taken = inputs.withLock { inputs in
            defer { inputs = nil }
            return inputs
        }
        guard let (policy, more) = taken else { return nil }
        return more.tables(for: policy).contents
    }

    private static func differences(
        from wanted: TableContents, _ socket: NetfilterSocket
    ) throws(DatapathError) -> [String] {
        let kernel = try TableReader(wanted.table, socket).read()
        let step = try Transaction.difference(from: kernel, to: wanted, socket)
        return step.isEmpty ? [] : step.repairs(limit: ComparedPart.namedLimit)
    }

    /// What it has come to; nil before the end of ``run()``.
    func part() throws(DatapathError) -> ComparedPart? {
        switch outcome.withLock({ $0 }) {
        case nil: nil
        case .differences(let differences): .finished(differences: differences)
        case .changed: .changed
        case .failed(let error): throw error
        }
    }
}

/// Everything besides policy that decides about the table's content.
struct TableInputs: Sendable {
    var places: [EndpointID: EndpointPlace]
    var tunnels: TunnelGuard
    var marks: SteeringMarks
    var revoked: Set<Connection.Key>
    var flows: FlowLimit?
    var options: TableOptions

    init(_ tables: PolicyTables) {
        places = tables.places
        tunnels = tables.tunnels
        marks = tables.marks
        revoked = tables.revoked
        flows = tables.flows
        options = tables.options
    }

    /// The table from scratch.
    func tables(for policy: borrowing CompiledPolicy) -> PolicyTables {
        PolicyTables(
            policy, places: places, tunnels: tunnels, marks: marks, revoked: revoked, flows: flows, options: options)
    }
}

extension NFTablesDatapath {
    /// Reads the table back and compares it with one made from policy alone, both outside of the owner's thread.
    public mutating func compareNext(
        with policy: borrowing CompiledPolicy
    ) throws(DatapathError) -> ComparedPart {
        if let running = comparison {
            do {
                guard let part = try running.part() else { return .elsewhere { running.run() } }
                comparison = nil
                return part
            } catch {
                comparison = nil
                throw error
            }
        }
        // Others have changed the ruleset: who looks for their changes compares it.
        guard try isUntouched(), let generation else { return .changed }
        let started = try TableComparison(copy policy, TableInputs(tables), generation: generation)
        comparison = started
        return .elsewhere { started.run() }
    }
}
