// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import KernelErrors

extension TableIdentity.Family {
    /// The kernel's number of the family.
    var number: UInt16 {
        switch self {
        case .inet: UInt16(NFPROTO_INET)
        case .bridge: UInt16(NFPROTO_BRIDGE)
        }
    }
}

/// A transaction on one table in the kernel's form: one datagram, all or nothing.
package struct Batch: ~Copyable {
    package private(set) var buffer = NetfilterBuffer()
    private let table: TableIdentity
    private let first: UInt32
    private var last: UInt32
    private var lastOffset = 0
    /// What each message does, by its index; for errors.
    private var steps: [String] = []

    /// How many sequence numbers to reserve for one batch; more messages would be megabytes of policy.
    package static let sequenceNumbers: UInt32 = 1 << 20

    /// Begins with a sequence number of the caller.
    init(_ table: TableIdentity, sequence: UInt32) {
        self.table = table
        first = sequence
        last = sequence
        buffer.append { nftnl_batch_begin($0, sequence) }
    }

    /// Appends a message, which `body` fills; `step` says what it does, for the error if it fails.
    mutating func append(
        _ type: nf_tables_msg_types, _ flags: Int32 = 0, _ step: String,
        _ body: (_ header: UnsafeMutablePointer<nlmsghdr>, _ table: TableIdentity) -> Void
    ) {
        last &+= 1
        steps.append(step)
        lastOffset = buffer.count
        let (sequence, table) = (last, table)
        buffer.append { place in
            let header = nftnl_nlmsg_build_hdr(
                place, UInt16(type.rawValue), table.family.number, UInt16(flags), sequence)!
            body(header, table)
            return header
        }
    }

    /// Ends the batch; the last message requests an acknowledgment.
    mutating func finish() {
        let header = (buffer.base + lastOffset).assumingMemoryBound(to: nlmsghdr.self)
        header.pointee.nlmsg_flags |= UInt16(NLM_F_ACK)
        let sequence = last &+ 1
        buffer.append { nftnl_batch_end($0, sequence) }
    }

    /// Sequence number of the message that is acknowledged.
    var acknowledged: UInt32 { last }

    func step(_ sequence: UInt32) -> String {
        let index = Int(Int32(bitPattern: sequence &- first)) - 1
        return steps.indices.contains(index) ? steps[index] : "commit the transaction"
    }
}

extension NetfilterSocket {
    /// Commits a transaction on a table.
    ///
    /// - Returns: how many bytes were sent.
    @discardableResult
    package func commit(_ step: Transaction, to table: TableIdentity) throws(KernelError) -> Int {
        try commit(Batch(step, to: table, sequence: reserve(Batch.sequenceNumbers)))
    }

    func commit(_ batch: borrowing Batch) throws(KernelError) -> Int {
        guard let failure = try transact(batch.buffer, acknowledged: batch.acknowledged) else {
            return batch.buffer.count
        }
        throw .system(operation: batch.step(failure.sequence), code: failure.code, detail: failure.text)
    }
}
