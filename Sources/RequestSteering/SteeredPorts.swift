// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Which programs hand flows over to the proxy, kept from one step of the compiler to the next. Where no policy reads
/// requests, a step costs a look at its new programs.
public struct SteeredPorts: Sendable, Hashable {
    /// The ingress programs with rules that read requests.
    private var readers: Set<ProgramID> = []

    public init() {}

    public var isEmpty: Bool { readers.isEmpty }

    /// Starts over with everything.
    public mutating func reset(_ policy: borrowing CompiledPolicy) {
        readers = Set(policy.programs.lazy.filter { $0.value.readsRequests }.map(\.key))
    }

    /// Takes a step of the compiler, whose result is `policy`.
    ///
    /// - Returns: whether ``ports(of:)`` may have changed.
    public mutating func take(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) -> Bool {
        let before = readers
        for id in delta.removedPrograms { readers.remove(id) }
        for id in delta.addedPrograms where policy.programs[id]?.readsRequests == true { readers.insert(id) }
        guard !(before.isEmpty && readers.isEmpty) else { return false }
        return before != readers || !delta.addedEndpoints.isEmpty || !delta.removedEndpoints.isEmpty
            || !delta.changedEndpoints.isEmpty || !delta.portSegments.isEmpty
            || !delta.addedAddressClasses.isEmpty || !delta.removedAddressClasses.isEmpty
    }

    /// The local endpoints with flows that are handed over.
    public func endpoints(of policy: borrowing CompiledPolicy) -> [CompiledEndpoint] {
        guard !isEmpty else { return [] }
        var programs: Set<ProgramID> = []
        for id in readers where policy.programs[id]?.handsOver == true { programs.insert(id) }
        return policy.endpoints.values.filter { programs.contains($0.ingress) }
    }

    /// For each address of a local endpoint, the TCP ports at which some source's flows are handed over.
    public func ports(of policy: borrowing CompiledPolicy) -> [IPAddress: [PortRange]] {
        guard !isEmpty else { return [:] }
        var ranges: [ProgramID: [PortRange]] = [:]
        for id in readers { ranges[id] = policy.handedOverPorts(of: id) }
        var ports: [IPAddress: [PortRange]] = [:]
        for endpoint in policy.endpoints.values {
            guard let ranges = ranges[endpoint.ingress], !ranges.isEmpty else { continue }
            for address in endpoint.addresses { ports[address] = ranges }
        }
        return ports
    }
}
