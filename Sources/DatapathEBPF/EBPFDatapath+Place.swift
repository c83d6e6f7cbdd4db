// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ConnectionTracking
import Datapath
import NetworkTypes

extension EBPFDatapath {
    public func checkPlace() throws(DatapathError) {
        let generation = try opened()
        try generation.checkLinks()
        guard try TrackingTable.isWhole() else {
            throw .missing("the \(TrackingTable.name), by which connections are tracked,")
        }
    }

    public mutating func setPlace(_ place: EndpointPlace?, of endpoint: EndpointID) throws(DatapathError) {
        let generation = try opened()
        let wanted = place.map { EndpointTable.Place($0) } ?? EndpointTable.Place()
        try generation.endpoints.set(wanted, of: endpoint, in: &generation.memory)
        try setHooks(of: generation)
    }

    public mutating func setTunnels(_ tunnels: TunnelGuard) throws(DatapathError) {
        let generation = try opened()
        try generation.setTunnels(tunnels)
        try setHooks(of: generation)
    }

    public mutating func setSteeringMarks(_ marks: SteeringMarks) throws(DatapathError) {
        let generation = try opened()
        guard generation.steeringMarks != marks else { return }
        generation.steeringMarks = marks
        // Connections that the proxy's marks protect are others now.
        owesRevocation = true
    }

    public mutating func setListening(_ isOn: Bool) throws(DatapathError) {
        try opened().setListening(isOn)
    }

    public mutating func setFlows(_ limit: FlowLimit?) throws(DatapathError) {
        try opened().setFlows(limit)
    }

    /// Attaches at the hooks where there is something to judge now, and nowhere else.
    private func setHooks(of generation: Generation) throws(DatapathError) {
        guard Set(generation.wantedHooks) != generation.linkedHooks else { return }
        try attach(generation)
        // Where that is not possible they judge all the same: repair() tries again.
        _ = try? generation.pin()
        try generation.detachUnwanted()
    }

    /// The words of the tables that programs and addresses share. They grow by themselves up to the limit.
    public func tableUse() -> [TableUse] {
        guard let current else { return [] }
        return [
            TableUse(
                table: "words", used: current.memory.heap.usedWords,
                limit: Int(Capacities.wordLimit - TableMemory.heapBegin))
        ]
    }
}
