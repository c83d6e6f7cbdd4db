// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CLinuxShim
import Glibc
import Netfilter

/// A transaction as the kernel takes it: one datagram, all or nothing.
struct Batch: ~Copyable {
    private(set) var buffer = NetfilterBuffer()
    private let first: UInt32
    private var last: UInt32
    private var lastOffset = 0
    /// What each message does, by its place; for errors.
    private var steps: [String] = []

    static let family = UInt16(NFPROTO_INET)
    /// The family of the tables that bridged frames pass.
    static let bridgeFamily = UInt16(NFPROTO_BRIDGE)

    private let family: UInt16

    /// How many sequence numbers to keep free for one; more messages than that would be megabytes of policy.
    static let sequenceNumbers: UInt32 = 1 << 20

    /// Begins with a sequence number of the caller's choice.
    init(sequence: UInt32, family: UInt16 = Batch.family) {
        self.family = family
        first = sequence
        last = sequence
        buffer.append { nftnl_batch_begin($0, sequence) }
    }

    /// Adds a message; `step` says what it does, for the error if it fails.
    mutating func append(
        _ type: Int, _ flags: Int32 = 0, _ step: String, _ body: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) {
        last &+= 1
        steps.append(step)
        lastOffset = buffer.count
        let sequence = last
        buffer.append { place in
            let header = nftnl_nlmsg_build_hdr(place, UInt16(type), family, UInt16(flags), sequence)!
            body(header)
            return header
        }
    }

    /// Ends it; the last message asks for an acknowledgement.
    mutating func finish() {
        let header = (buffer.base + lastOffset).assumingMemoryBound(to: nlmsghdr.self)
        header.pointee.nlmsg_flags |= UInt16(NLM_F_ACK)
        let sequence = last &+ 1
        buffer.append { nftnl_batch_end($0, sequence) }
    }

    var isEmpty: Bool { steps.isEmpty }

    /// Sequence number of the message that is acknowledged.
    var acknowledged: UInt32 { last }

    func step(_ sequence: UInt32) -> String {
        let index = Int(Int32(bitPattern: sequence &- first)) - 1
        return steps.indices.contains(index) ? steps[index] : "commit the transaction"
    }
}
