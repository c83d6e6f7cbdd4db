// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ConnectionTracking
import Datapath
import Glibc
import Netfilter
import NetworkTypes

/// What one of Bulkhead's tables says about an earlier run.
extension TableReader {
    /// The numbers that an earlier run gave to rules, by the data of their counters.
    func numbering() throws(DatapathError) -> Numbering {
        var numbering = Numbering()
        for (_, object) in try objects() {
            guard let bytes = object.userData.value(of: UserData.mark), let mark = RuleMark(bytes: bytes) else {
                continue
            }
            numbering.rules[mark.key] = mark.id
        }
        return numbering
    }

    /// The places of local addresses in an earlier run.
    func places() throws(DatapathError) -> [IPAddress: EndpointPlace] {
        func index(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } }
        let routed = Set(
            try keys(of: SetShape(name: TableName.podInterfaces, fields: [.interface])).map { index($0[...]) })
        var places: [IPAddress: EndpointPlace] = [:]
        for family in AddressFamily.allCases {
            let sources = SetShape(name: TableName.sources(family), fields: [.interface, .source(family)])
            for key in try keys(of: sources) where routed.contains(index(key[..<4])) {
                guard let address = IPAddress(networkBytes: key.dropFirst(4)) else { continue }
                let interface = EndpointInterface(index: index(key[..<4]), name: "")
                places[address, default: EndpointPlace()].interfaces.append(interface)
            }
            let ports = SetShape(name: TableName.bridgePorts(family), fields: BaseTable.bridgePortFields(family))
            for key in try keys(of: ports) {
                guard let address = IPAddress(networkBytes: key.dropFirst(16)) else { continue }
                let hardware = key[8..<14].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
                places[address, default: EndpointPlace()].port = EndpointBridgePort(
                    index: index(key[4..<8]), bridge: index(key[..<4]), hardware: hardware)
            }
        }
        return places.mapValues { place in
            EndpointPlace(interfaces: place.interfaces.sorted { $0.index < $1.index }, port: place.port)
        }
    }

    /// The connections whose packets an earlier run dropped.
    func revoked() throws(DatapathError) -> Set<Connection.Key> {
        var revoked: Set<Connection.Key> = []
        for family in AddressFamily.allCases {
            let shape = SetShape(name: TableName.revoked(family), fields: BaseTable.revokedFields(family))
            for key in try keys(of: shape) {
                guard let source = IPAddress(networkBytes: key.dropLast(4)) else { continue }
                revoked.insert(Connection.Key(source: source, identifier: Array(key.suffix(4))))
            }
        }
        return revoked
    }

    /// The keys in one of Bulkhead's sets; none if a table that others created or reduced has no such set.
    private func keys(of shape: SetShape) throws(DatapathError) -> [[UInt8]] {
        do {
            guard case .elements(let elements) = try members(of: shape) else { return [] }
            return elements.map(\.key).filter { $0.count == shape.keyBytes }
        } catch .system(_, ENOENT, _) {
            return []
        }
    }
}
