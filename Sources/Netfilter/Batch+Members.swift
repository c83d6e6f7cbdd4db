// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc

extension Batch {
    /// Removes all members.
    mutating func empty(_ set: String) {
        append(NFT_MSG_DELSETELEM, 0, "empty the set \(set)") { ElementWriter.target(set, of: $1, $0) }
    }

    mutating func addMembers(_ set: TableSet) {
        writeMembers(set, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "add members of \(set.shape.name)", withData: true)
    }

    /// Members of an interval set are not removed one by one: such a set is emptied and filled again.
    mutating func removeMembers(_ set: TableSet) {
        writeMembers(set, NFT_MSG_DELSETELEM, 0, "remove members of \(set.shape.name)", withData: false)
    }

    private mutating func writeMembers(
        _ set: TableSet, _ type: nf_tables_msg_types, _ flags: Int32, _ step: String, withData: Bool
    ) {
        let name = set.shape.name
        switch set.members {
        case .addresses(let addresses): write(addresses, to: name, type, flags, step) { $0.put($1) }
        case .ranges(let ranges):
            write(RangeBoundary.all(ranges), to: name, type, flags, step) { $0.put($1.address, endsInterval: $1.isEnd) }
        case .elements(let elements):
            write(elements, to: name, type, flags, step) { $0.put($1, withData: withData) }
        }
    }

    /// As many messages as the members need; none without members.
    private mutating func write<Element>(
        _ members: some Sequence<Element>, to set: String, _ type: nf_tables_msg_types, _ flags: Int32, _ step: String,
        _ put: (inout ElementWriter, Element) -> Void
    ) {
        var rest = members.makeIterator()
        var next = rest.next()
        while next != nil {
            append(type, flags, step) { header, table in
                var writer = ElementWriter(set, of: table, header)
                while let member = next, writer.hasRoom {
                    put(&writer, member)
                    next = rest.next()
                }
                writer.finish()
            }
        }
    }
}
