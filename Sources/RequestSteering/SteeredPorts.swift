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
            || !delta.changedEndpoints.isEmpty || !delta.addresses.isEmpty || !delta.portSegments.isEmpty
            || !delta.addedAddressClasses.isEmpty || !delta.removedAddressClasses.isEmpty
    }

    /// For each address of a local endpoint, the TCP ports at which some source's flows are handed over; in order,
    /// without gaps between neighbors.
    public func ports(of policy: borrowing CompiledPolicy) -> [IPAddress: [PortRange]] {
        guard !isEmpty else { return [:] }
        let segments = policy.portSegments.filter { $0.ports.ipProtocol == .tcp }.sorted()
        var ranges: [ProgramID: [PortRange]] = [:]
        for id in readers { ranges[id] = policy.programs[id]?.handedOver(segments) }
        var ports: [IPAddress: [PortRange]] = [:]
        for endpoint in policy.endpoints.values {
            guard let ranges = ranges[endpoint.ingress], !ranges.isEmpty else { continue }
            for address in endpoint.addresses { ports[address] = ranges }
        }
        return ports
    }
}

extension Program {
    fileprivate var readsRequests: Bool { direction == .ingress && rules.contains { $0.request != nil } }

    /// The ports in whose column some cell hands over.
    fileprivate func handedOver(_ segments: [PortSegment]) -> [PortRange] {
        var columns: Set<Int> = []
        for (place, cell) in cells.enumerated() where cell.action == .handOver { columns.insert(place % columnCount) }
        var ranges: [PortRange] = []
        for segment in segments {
            guard columns.contains(Int(self.columns[Int(segment.portClass.rawValue)])) else { continue }
            let range = segment.ports.range
            if let last = ranges.last, Int(last.last) + 1 == Int(range.first) {
                ranges[ranges.count - 1] = PortRange(last.first, range.last)
            } else {
                ranges.append(range)
            }
        }
        return ranges
    }
}
