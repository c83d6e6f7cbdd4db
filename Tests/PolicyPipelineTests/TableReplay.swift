// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// A datapath's tables in the plainest form: it carries deltas out phase by phase and checks what each phase promises.
struct TableReplay {
    private struct Matrix {
        var rows: [AddressClassID: UInt16]
        var columns: [PortClassID: UInt16]
        var columnCount: Int
        var cells: [Cell]
    }
    private struct Programs {
        var ingress: ProgramID
        var egress: ProgramID
    }

    private var rules: Set<RuleID> = [.noPolicy]
    private var addressClasses: Set<AddressClassID> = [.none]
    private var portClasses: Set<PortClassID> = [.none]
    private var programs: [ProgramID: Matrix] = [:]
    private var endpoints: [EndpointID: Programs] = [:]
    private var addresses = AddressTable()
    private var ports: [IPProtocol: [PortClassID]] = [:]
    private(set) var problems: [String] = []

    init() {
        for ipProtocol in IPProtocol.withPorts { ports[ipProtocol] = [PortClassID](repeating: .none, count: 65536) }
    }

    private mutating func check(_ condition: Bool, _ problem: @autoclosure () -> String) {
        if !condition { problems.append(problem()) }
    }

    /// What a packet would get now.
    func verdict(_ flow: Flow) -> String {
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        if source.endpoint != .none, source.endpoint == destination.endpoint { return "self" }
        var portClass = PortClassID.none
        if let port = flow.destinationPort { portClass = ports[flow.ipProtocol]?[Int(port)] ?? .none }
        let egress = cell(endpoints[source.endpoint]?.egress, destination.addressClass, portClass)
        let ingress = cell(endpoints[destination.endpoint]?.ingress, source.addressClass, portClass)
        return "\(egress) \(ingress)"
    }

    private func cell(_ program: ProgramID?, _ addressClass: AddressClassID, _ portClass: PortClassID) -> String {
        guard let program, program != .none else { return "open" }
        guard let matrix = programs[program], let row = matrix.rows[addressClass],
            let column = matrix.columns[portClass]
        else { return "BROKEN" }
        let cell = matrix.cells[Int(row) * matrix.columnCount + Int(column)]
        if cell.wouldDeny { return "audit" }
        return cell.rule == .noPolicy ? "open" : cell.verdict.rawValue
    }

    /// - Parameter observe: called after each publication; true: it must not have changed a verdict.
    mutating func apply(_ delta: CompiledDelta, of policy: CompiledPolicy, observe: (TableReplay, Bool) -> Void) {
        add(delta, policy)
        observe(self, true)
        for segment in delta.portSegments {
            check(portClasses.contains(segment.portClass), "ports of a class that is not there: \(segment)")
            for port in segment.ports.range.first...segment.ports.range.last {
                ports[segment.ports.ipProtocol]?[Int(port)] = segment.portClass
            }
            observe(self, true)
        }
        for (index, change) in delta.addresses.enumerated() {
            if let entry = change.entry {
                check(addressClasses.contains(entry.addressClass), "entry of a class that is not there: \(change)")
                check(
                    entry.endpoint == .none || endpoints[entry.endpoint] != nil,
                    "entry of an endpoint that is not there: \(change)")
            }
            addresses[change.prefix] = change.entry
            observe(self, index < delta.invisibleAddressCount)
        }
        for id in delta.changedEndpoints {
            check(endpoints[id] != nil, "endpoint \(id) changes but is not there")
            endpoints[id] = Self.programs(of: id, policy)
            observe(self, false)
        }
        retire(delta)
        observe(self, true)
        compare(policy)
        checkOwnNode(policy)
    }

    /// A class's number tells whether its members are the own node's.
    private mutating func checkOwnNode(_ policy: CompiledPolicy) {
        func isOwn(_ id: AddressClassID) -> Bool {
            policy.addressClasses[id]?.peerSets.contains { policy.peerSets[$0]?.isOwnNode == true } ?? false
        }
        for id in addressClasses where id != .none {
            check(
                isOwn(id) == (id.rawValue < AddressClassID.ownNodeLimit), "class \(id) has a number of the wrong range")
        }
        check(isOwn(policy.ownNodeClass), "the own node's class is not one of it")
    }

    private static func programs(of id: EndpointID, _ policy: CompiledPolicy) -> Programs? {
        policy.endpoints[id].map { Programs(ingress: $0.ingress, egress: $0.egress) }
    }

    private mutating func add(_ delta: CompiledDelta, _ policy: CompiledPolicy) {
        for id in delta.addedRules { check(rules.insert(id).inserted, "rule \(id) is already there") }
        for id in delta.addedAddressClasses {
            check(addressClasses.insert(id).inserted, "class \(id) is already there")
            for program in programs.keys {
                let row = row(program, id, policy)
                programs[program]?.rows[id] = row
            }
        }
        for id in delta.addedPortClasses {
            check(portClasses.insert(id).inserted, "port class \(id) is already there")
            for program in programs.keys {
                programs[program]?.columns[id] = policy.programs[program]?.columns[Int(id.rawValue)] ?? 0
            }
        }
        for id in programs.keys {
            // New rows may bring new cells; the old ones stay.
            guard let cells = policy.programs[id]?.cells, let old = programs[id]?.cells else { continue }
            check(cells.starts(with: old), "cells of a live program changed")
            programs[id]?.cells = cells
        }
        for id in delta.addedPrograms {
            check(programs[id] == nil, "program \(id) is already there")
            guard let program = policy.programs[id] else {
                check(false, "new program without content")
                continue
            }
            for cell in program.cells { check(rules.contains(cell.rule), "cell of a rule that is not there") }
            var matrix = Matrix(rows: [:], columns: [:], columnCount: program.columnCount, cells: program.cells)
            for addressClass in addressClasses { matrix.rows[addressClass] = row(id, addressClass, policy) }
            for portClass in portClasses {
                let index = Int(portClass.rawValue)
                matrix.columns[portClass] = index < program.columns.count ? program.columns[index] : 0
            }
            programs[id] = matrix
        }
        for id in delta.addedEndpoints {
            check(endpoints[id] == nil, "endpoint \(id) is already there")
            endpoints[id] = Self.programs(of: id, policy)
        }
    }

    private func row(_ program: ProgramID, _ addressClass: AddressClassID, _ policy: CompiledPolicy) -> UInt16 {
        guard let rows = policy.programs[program]?.rows, Int(addressClass.rawValue) < rows.count else { return 0 }
        return rows[Int(addressClass.rawValue)]
    }

    private mutating func retire(_ delta: CompiledDelta) {
        for id in delta.removedEndpoints { check(endpoints.removeValue(forKey: id) != nil, "endpoint \(id) is gone") }
        for id in delta.removedPrograms { check(programs.removeValue(forKey: id) != nil, "program \(id) is gone") }
        for id in delta.removedPortClasses { check(portClasses.remove(id) != nil, "port class \(id) is gone") }
        for id in delta.removedAddressClasses { check(addressClasses.remove(id) != nil, "class \(id) is gone") }
        for id in delta.removedRules { check(rules.remove(id) != nil, "rule \(id) is gone") }
        for endpoint in endpoints.values {
            for id in [endpoint.ingress, endpoint.egress] where id != .none {
                check(programs[id] != nil, "program \(id) is in use but gone")
            }
        }
        for (_, list) in ports {
            var last: PortClassID?
            for id in list where id != last {
                check(portClasses.contains(id), "port class \(id) is in use but gone")
                last = id
            }
        }
        for (prefix, entry) in addresses.sorted {
            check(addressClasses.contains(entry.addressClass), "class of \(prefix) is gone")
            check(entry.endpoint == .none || endpoints[entry.endpoint] != nil, "endpoint of \(prefix) is gone")
        }
    }

    /// The tables that the deltas made are the tables that the compiler has.
    private mutating func compare(_ policy: CompiledPolicy) {
        check(rules == Set(policy.rules.keys), "rules differ")
        check(addressClasses == Set(policy.addressClasses.keys), "classes differ")
        check(Set(programs.keys) == Set(policy.programs.keys), "programs differ")
        check(Set(endpoints.keys) == Set(policy.endpoints.keys), "endpoints differ")
        check(addresses == policy.addresses, "addresses differ")
        for segment in policy.portSegments {
            let same = ports[segment.ports.ipProtocol]?[
                Int(segment.ports.range.first)...Int(segment.ports.range.last)
            ].allSatisfy { $0 == segment.portClass }
            check(same == true, "ports \(segment) differ")
        }
        for (id, matrix) in programs {
            for addressClass in addressClasses {
                check(matrix.rows[addressClass] == row(id, addressClass, policy), "a row of a live program changed")
            }
            for portClass in portClasses {
                let columns = policy.programs[id]?.columns ?? []
                let column = Int(portClass.rawValue) < columns.count ? columns[Int(portClass.rawValue)] : 0
                check(matrix.columns[portClass] == column, "a column of a live program changed")
            }
        }
        for (id, endpoint) in policy.endpoints {
            check(endpoints[id]?.ingress == endpoint.ingress, "ingress of \(endpoint.name) differs")
            check(endpoints[id]?.egress == endpoint.egress, "egress of \(endpoint.name) differs")
        }
    }
}
