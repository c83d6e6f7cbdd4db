// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// The UDP ports on which the kernel decapsulates tunnel packets (FOU, GUE), whichever device receives them then.
package enum EncapsulationPorts {
    /// Reads the ports of the calling thread's network namespace; none if the kernel does not support them.
    ///
    /// - Throws: ``NodeNetworkError``.
    static func read() throws(NodeNetworkError) -> Set<UInt16> {
        let descriptor = shim_generic_open()
        guard descriptor >= 0 else { throw .system(operation: "open a generic netlink socket", code: -descriptor) }
        defer { close(descriptor) }
        guard let family = try family(descriptor) else { return [] }
        try check(shim_generic_dump(descriptor, family, UInt8(FOU_CMD_GET), 2))
        var ports: Set<UInt16> = []
        while true {
            let isDone = try receive(descriptor) { header, body throws(NodeNetworkError) in
                switch Int(header.nlmsg_type) {
                case Int(NLMSG_DONE): return true
                case Int(NLMSG_ERROR): return true
                default:
                    if let port = try port(body) { ports.insert(port) }
                    return false
                }
            }
            if isDone { return ports }
        }
    }

    private static func check(_ sent: Int32) throws(NodeNetworkError) {
        guard sent == 0 else { throw .system(operation: "ask for ports of tunnels", code: -sent) }
    }

    /// The number of the netlink family; nil if the kernel has not loaded it and so has no such ports.
    private static func family(_ descriptor: Int32) throws(NodeNetworkError) -> UInt16? {
        try check(shim_generic_ask_family(descriptor, FOU_GENL_NAME, 1))
        var number: UInt16?
        _ = try receive(descriptor) { header, body throws(NodeNetworkError) in
            guard Int(header.nlmsg_type) != Int(NLMSG_ERROR) else { return true }
            try body.forEachAttribute(from: MemoryLayout<genlmsghdr>.size) { type, payload throws(NodeNetworkError) in
                if type == Int(CTRL_ATTR_FAMILY_ID) { number = try payload.load(UInt16.self, "family's number") }
            }
            return true
        }
        return number
    }

    /// Reads one answer to FOU_CMD_GET, after the netlink header.
    package static func port(answer: UnsafeRawBufferPointer) throws(NodeNetworkError) -> UInt16? {
        try port(NetlinkBytes(bytes: answer))
    }

    private static func port(_ body: NetlinkBytes) throws(NodeNetworkError) -> UInt16? {
        var port: UInt16?
        try body.forEachAttribute(from: MemoryLayout<genlmsghdr>.size) { type, payload throws(NodeNetworkError) in
            if type == Int(FOU_ATTR_PORT) { port = UInt16(bigEndian: try payload.load(UInt16.self, "tunnel's port")) }
        }
        return port
    }

    /// Passes on the messages of the next datagram until the last message; returns whether it was found.
    private static func receive(
        _ descriptor: Int32, _ body: (nlmsghdr, NetlinkBytes) throws(NodeNetworkError) -> Bool
    ) throws(NodeNetworkError) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, answerMilliseconds) > 0 else {
            throw .system(operation: "wait for ports of tunnels", code: ETIMEDOUT)
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferBytes, alignment: 8)
        defer { buffer.deallocate() }
        let length = shim_netlink_receive(descriptor, buffer.baseAddress, buffer.count)
        guard length >= 0 else { throw .system(operation: "receive ports of tunnels", code: Int32(-length)) }
        let bytes = NetlinkBytes(bytes: UnsafeRawBufferPointer(rebasing: buffer[..<min(length, buffer.count)]))
        var position = 0
        while position < bytes.count {
            let header = try bytes.load(nlmsghdr.self, at: position, "message header")
            let size = MemoryLayout<nlmsghdr>.size
            guard Int(header.nlmsg_len) >= size else {
                throw .invalid(what: "message length", value: Int(header.nlmsg_len))
            }
            let rest = try bytes.slice(position + size..<position + Int(header.nlmsg_len), "message")
            if try body(header, rest) { return true }
            position += NetlinkBytes.aligned(Int(header.nlmsg_len))
        }
        return false
    }

    private static let answerMilliseconds: Int32 = 1000
    private static let bufferBytes = 32 << 10
}
