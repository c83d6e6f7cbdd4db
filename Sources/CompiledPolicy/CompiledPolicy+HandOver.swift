// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

extension Program {
    /// Whether some rule reads the request. Only the cells of such a program can hand flows over.
    public var readsRequests: Bool { direction == .ingress && rules.contains { $0.request != nil } }

    /// Whether some flow is handed over to the proxy.
    public var handsOver: Bool { readsRequests && cells.contains { $0.action == .handOver } }
}

extension CompiledPolicy {
    /// The TCP ports at which an endpoint with this ingress program hands some source's flows over to the proxy: in
    /// order, without gaps between neighbors.
    public func handedOverPorts(of id: ProgramID) -> [PortRange] {
        guard let program = programs[id], program.readsRequests else { return [] }
        var columns: Set<Int> = []
        for (place, cell) in program.cells.enumerated() where cell.action == .handOver {
            columns.insert(place % program.columnCount)
        }
        var ranges: [PortRange] = []
        for segment in portSegments where segment.ports.ipProtocol == .tcp {
            guard columns.contains(Int(program.columns[Int(segment.portClass.rawValue)])) else { continue }
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
