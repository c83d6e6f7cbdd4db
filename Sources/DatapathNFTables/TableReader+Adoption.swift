// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CompiledPolicy
import Datapath
import NetworkTypes

extension TableReader {
    /// Counts the transactions in this network namespace, of all tables together.
    static func generation(_ socket: NetfilterSocket) throws(DatapathError) -> UInt32 {
        let type = UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_GETGEN)
        let answers = try socket.ask(
            type, family: 0, isDump: false, "read the generation", request: { _ in },
            parse: { _, body in
                Attributes(body.dropFirst(MemoryLayout<nfgenmsg>.size))
                    .first { $0.type == Int(NFTA_GEN_ID) }?.integer(UInt32.self)
            })
        guard let generation = answers.first else { throw .corrupt("the kernel told no generation") }
        return generation
    }

    /// The numbers that an earlier run gave to rules, by what stands with their counters.
    static func numbering(_ socket: NetfilterSocket) throws(DatapathError) -> Numbering {
        var numbering = Numbering()
        for (_, object) in try objects(socket) {
            guard let bytes = object.userData.value(of: UserData.ruleMark), let mark = RuleMark(bytes: bytes) else {
                continue
            }
            numbering.rules[mark.key] = mark.id
        }
        return numbering
    }

    /// The interfaces that an earlier run gave to local addresses.
    static func interfaces(_ socket: NetfilterSocket) throws(DatapathError) -> [IPAddress: UInt32] {
        var interfaces: [IPAddress: UInt32] = [:]
        for family in AddressFamily.allCases {
            let shape = SetShape(name: TableName.sources(family), fields: [.interface, .source(family)])
            let found: Members?
            do {
                found = try members(of: shape, socket)
            } catch .system(_, 2, _) {
                // ENOENT: a table that somebody else made, or that was cut down, has no such set.
                continue
            }
            guard case .elements(let elements) = found else { continue }
            for element in elements where element.key.count == shape.keyBytes {
                guard let address = IPAddress(networkBytes: element.key.dropFirst(4)) else { continue }
                let index = element.key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
                interfaces[address] = index
            }
        }
        return interfaces
    }
}
