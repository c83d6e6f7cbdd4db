// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetlinkAttributes

/// The UDP ports on which the kernel decapsulates tunnel packets (FOU, GUE), whichever device receives them then.
package enum EncapsulationPorts {
    /// Reads the ports of the calling thread's network namespace; none if the kernel does not support them.
    ///
    /// - Throws: ``NodeNetworkError``.
    static func read() throws(NodeNetworkError) -> Set<UInt16> {
        let descriptor = bh_generic_open()
        guard descriptor >= 0 else { throw .system(operation: "open a generic netlink socket", code: -descriptor) }
        defer { close(descriptor) }
        guard let family = try family(descriptor) else { return [] }
        try check(bh_generic_dump(descriptor, family, UInt8(FOU_CMD_GET), 2))
        var ports: Set<UInt16> = []
        while true {
            let isDone = try receive(descriptor) { header, body throws(NetlinkFormatError) in
                if [Int(NLMSG_DONE), Int(NLMSG_ERROR)].contains(Int(header.nlmsg_type)) { return true }
                if let port = try port(body) { ports.insert(port) }
                return false
            }
            if isDone { return ports }
        }
    }

    private static func check(_ sent: Int32) throws(NodeNetworkError) {
        guard sent == 0 else { throw .system(operation: "ask for ports of tunnels", code: -sent) }
    }

    /// The number of the netlink family; nil if the kernel has not loaded it and so has no such ports.
    private static func family(_ descriptor: Int32) throws(NodeNetworkError) -> UInt16? {
        try check(bh_generic_ask_family(descriptor, FOU_GENL_NAME, 1))
        var number: UInt16?
        _ = try receive(descriptor) { header, body throws(NetlinkFormatError) in
            guard Int(header.nlmsg_type) != Int(NLMSG_ERROR) else { return true }
            try body.forEachAttribute(from: MemoryLayout<genlmsghdr>.size) { type, value throws(NetlinkFormatError) in
                if type == Int(CTRL_ATTR_FAMILY_ID) { number = try value.load(UInt16.self, "family's number") }
            }
            return true
        }
        return number
    }

    /// Reads one answer to FOU_CMD_GET, after the netlink header.
    package static func port(answer: UnsafeRawBufferPointer) throws(NodeNetworkError) -> UInt16? {
        do throws(NetlinkFormatError) {
            return try port(NetlinkBytes(bytes: answer))
        } catch {
            throw NodeNetworkError(error)
        }
    }

    private static func port(_ body: NetlinkBytes) throws(NetlinkFormatError) -> UInt16? {
        var port: UInt16?
        try body.forEachAttribute(from: MemoryLayout<genlmsghdr>.size) { type, value throws(NetlinkFormatError) in
            if type == Int(FOU_ATTR_PORT) { port = UInt16(bigEndian: try value.load(UInt16.self, "tunnel's port")) }
        }
        return port
    }

    /// Passes on the messages of the next datagram until the last message; returns whether it was found.
    private static func receive(
        _ descriptor: Int32, _ body: (nlmsghdr, NetlinkBytes) throws(NetlinkFormatError) -> Bool
    ) throws(NodeNetworkError) -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferBytes, alignment: 8)
        defer { buffer.deallocate() }
        let length = bh_netlink_receive(descriptor, buffer.baseAddress, buffer.count, answerMilliseconds)
        if length == -Int(EAGAIN) { throw .system(operation: "wait for ports of tunnels", code: ETIMEDOUT) }
        guard length >= 0 else { throw .system(operation: "receive ports of tunnels", code: Int32(-length)) }
        do throws(NetlinkFormatError) {
            return try read(UnsafeRawBufferPointer(rebasing: buffer[..<min(length, buffer.count)]), body)
        } catch {
            throw NodeNetworkError(error)
        }
    }

    private static func read(
        _ datagram: UnsafeRawBufferPointer, _ body: (nlmsghdr, NetlinkBytes) throws(NetlinkFormatError) -> Bool
    ) throws(NetlinkFormatError) -> Bool {
        let bytes = NetlinkBytes(bytes: datagram)
        var position = 0
        while let (header, rest) = try bytes.message(at: &position) {
            if try body(header, rest) { return true }
        }
        return false
    }

    private static let answerMilliseconds: Int32 = 1000
    private static let bufferBytes = 32 << 10
}
