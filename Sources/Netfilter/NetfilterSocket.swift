// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CLinuxShim
import Glibc
import KernelErrors
import NetlinkAttributes

/// A NETLINK_NETFILTER socket of the network namespace in which the opening thread was.
package final class NetfilterSocket {
    package let descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: NetfilterSocket.bufferBytes, alignment: 8)
    private var sequence: UInt32 = 1

    /// The kernel fills datagrams of a dump up to 32 KiB.
    private static let bufferBytes = 256 << 10
    /// Room for the answers to a whole transaction of errors.
    private static let receiveBytes: Int32 = 8 << 20
    /// How often to retry after a temporary obstacle.
    private static let attempts = 10
    private static let backoffMicroseconds: UInt32 = 500
    /// The kernel answers within the call; this limits a wait that should not happen.
    private static let answerMilliseconds: Int32 = 5000

    package init() throws(KernelError) {
        let opened = bh_netfilter_open(Self.receiveBytes)
        descriptor = opened
        if opened == -EPROTONOSUPPORT {
            throw .unsupported(what: "netfilter's netlink", remedy: "a kernel with NETFILTER_NETLINK")
        }
        guard opened >= 0 else { throw .system(operation: "open a netfilter socket", code: -opened, detail: "") }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        buffer.deallocate()
    }

    /// The first of `count` sequence numbers that no other caller uses.
    package func reserve(_ count: UInt32) -> UInt32 {
        defer { sequence &+= count }
        return sequence
    }

    /// Why the kernel refused a transaction.
    package struct Failure {
        /// The number of the message that failed; 0 for none of them.
        package var sequence: UInt32
        package var code: Int32
        package var text: String
    }

    /// Commits a transaction of which one message requests an acknowledgment; retries if another transaction or a lack
    /// of memory was in the way. Nil: it has taken effect.
    package func transact(_ messages: borrowing NetfilterBuffer, acknowledged: UInt32) throws(KernelError) -> Failure? {
        var attempt: UInt32 = 0
        while true {
            let failure = try send(messages, acknowledged: acknowledged)
            guard let failure else { return nil }
            guard Self.passes(failure.code), attempt < Self.attempts else { return failure }
            attempt += 1
            usleep(Self.backoffMicroseconds << min(attempt, 6))
        }
    }

    private static func passes(_ code: Int32) -> Bool {
        // ERESTART: the ruleset's generation changed meanwhile.
        [EINTR, ENOBUFS, EAGAIN, ERESTART].contains(code)
    }

    /// When the call returns, the kernel has committed it or not: all answers are there.
    private func send(_ messages: borrowing NetfilterBuffer, acknowledged: UInt32) throws(KernelError) -> Failure? {
        let sent = bh_netlink_send(descriptor, messages.base, messages.count)
        guard sent == 0 else { return Failure(sequence: 0, code: -sent, text: "") }
        var failure: Failure?
        var isAcknowledged = false
        while true {
            let length = bh_netlink_receive(descriptor, buffer.baseAddress, buffer.count, 0)
            if length == -Int(EAGAIN) { break }
            guard length >= 0 else { return Failure(sequence: 0, code: Int32(-length), text: "") }
            forEachMessage(length) { header, body in
                guard header.nlmsg_type == NLMSG_ERROR, let error = AnswerError(header, body) else { return }
                if error.code != 0, failure == nil {
                    failure = Failure(sequence: header.nlmsg_seq, code: error.code, text: error.text)
                }
                if error.code == 0, header.nlmsg_seq == acknowledged { isAcknowledged = true }
            }
        }
        if failure == nil, !isAcknowledged {
            throw .system(operation: "commit the transaction", code: EIO, detail: "the kernel did not acknowledge it")
        }
        return failure
    }

    /// Sends one request and passes each answer to `parse`; collects the results.
    ///
    /// - Parameters:
    ///   - type: subsystem and message.
    ///   - resource: a number with a meaning for the subsystem.
    ///   - isDump: there are many answers, and a separate message ends them.
    package func ask<Value>(
        _ type: UInt16, family: UInt8, resource: UInt16 = 0, isDump: Bool, _ operation: String,
        request: (UnsafeMutablePointer<nlmsghdr>) -> Void,
        parse: (UnsafePointer<nlmsghdr>, UnsafeRawBufferPointer) -> Value?
    ) throws(KernelError) -> [Value] {
        for attempt in 0..<UInt32(Self.attempts) {
            var message = NetfilterBuffer()
            let number = reserve(1)
            message.append { place in
                let header = mnl_nlmsg_put_header(place)!
                header.pointee.nlmsg_type = type
                header.pointee.nlmsg_flags = UInt16(NLM_F_REQUEST | (isDump ? NLM_F_DUMP : NLM_F_ACK))
                header.pointee.nlmsg_seq = number
                let generic = mnl_nlmsg_put_extra_header(header, MemoryLayout<nfgenmsg>.size)!
                generic.storeBytes(
                    of: nfgenmsg(nfgen_family: family, version: 0, res_id: resource.bigEndian), as: nfgenmsg.self)
                request(header)
                return header
            }
            let sent = bh_netlink_send(descriptor, message.base, message.count)
            guard sent == 0 else { throw .system(operation: operation, code: -sent, detail: "") }
            if let values = try collect(number, operation, parse) { return values }
            usleep(Self.backoffMicroseconds << min(attempt, 6))
        }
        throw .system(operation: "\(operation), which never stood still", code: EINTR, detail: "")
    }

    /// Nil: the dumped objects changed meanwhile.
    private func collect<Value>(
        _ number: UInt32, _ operation: String, _ parse: (UnsafePointer<nlmsghdr>, UnsafeRawBufferPointer) -> Value?
    ) throws(KernelError) -> [Value]? {
        var values: [Value] = []
        var isWhole = true
        var end: Int32?
        while end == nil {
            let length = bh_netlink_receive(descriptor, buffer.baseAddress, buffer.count, Self.answerMilliseconds)
            guard length >= 0, length <= buffer.count else {
                throw .system(operation: operation, code: length < 0 ? Int32(-length) : EMSGSIZE, detail: "")
            }
            forEachMessage(length) { header, body in
                guard header.nlmsg_seq == number else { return }
                if header.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0 { isWhole = false }
                switch Int32(header.nlmsg_type) {
                case NLMSG_DONE: end = 0
                case NLMSG_ERROR: end = AnswerError(header, body)?.code ?? EPROTO
                default:
                    let start = body.baseAddress!.advanced(by: -MemoryLayout<nlmsghdr>.size)
                    if let value = parse(start.assumingMemoryBound(to: nlmsghdr.self), body) { values.append(value) }
                }
            }
        }
        if end == EINTR { return nil }
        guard end == 0 else { throw .system(operation: operation, code: end!, detail: "") }
        return isWhole ? values : nil
    }

    /// The messages in the first `length` bytes of the buffer, each with its header and the bytes after it.
    package func forEachMessage(_ length: Int, _ body: (nlmsghdr, UnsafeRawBufferPointer) -> Void) {
        let headerBytes = MemoryLayout<nlmsghdr>.size
        var rest = UnsafeRawBufferPointer(buffer)[..<min(length, buffer.count)]
        while rest.count >= headerBytes {
            let header = UnsafeRawBufferPointer(rebasing: rest).load(as: nlmsghdr.self)
            let size = Int(header.nlmsg_len)
            guard size >= headerBytes, size <= rest.count else { return }
            body(header, UnsafeRawBufferPointer(rebasing: rest.prefix(size).dropFirst(headerBytes)))
            rest = rest.dropFirst((size + 3) & ~3)
        }
    }

    /// One datagram without waiting; nil if there is none.
    package func poll(_ body: (nlmsghdr, UnsafeRawBufferPointer) -> Void) -> Int32? {
        let length = bh_netlink_receive(descriptor, buffer.baseAddress, buffer.count, 0)
        guard length >= 0 else { return Int32(-length) }
        forEachMessage(length, body)
        return nil
    }
}

/// The content of an NLMSG_ERROR.
package struct AnswerError {
    /// errno; 0 for an acknowledgment.
    package var code: Int32
    /// The kernel's own text, if it gave any.
    package var text = ""

    /// Nil for a message that is too short.
    package init?(_ header: nlmsghdr, _ body: UnsafeRawBufferPointer) {
        guard body.count >= 4 + MemoryLayout<nlmsghdr>.size else { return nil }
        // Without a trap for the least number, which no errno is.
        code = 0 &- body.loadUnaligned(as: Int32.self)
        // NLM_F_ACK_TLVS: attributes follow; NLMSGERR_ATTR_MSG is the first kind.
        guard header.nlmsg_flags & 0x200 != 0 else { return }
        for attribute in Attributes(body.dropFirst(4 + MemoryLayout<nlmsghdr>.size)) where attribute.type == 1 {
            text = attribute.text
        }
    }
}

extension KernelError {
    /// The operation and the errno, if the kernel refused a transaction because it lacks an expression or a family.
    package var lack: (operation: String, code: Int32)? {
        guard case .system(let operation, let code, _) = self, [ENOENT, EAFNOSUPPORT, EOPNOTSUPP].contains(code) else {
            return nil
        }
        return (operation, code)
    }
}
