// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes
import PacketKit
import Synchronization

/// Sends numbered packets at a steady rate on a thread of its own and notes which were answered: one UDP flow, or one
/// TCP connection with one number in flight at a time.
public final class NetHammer: Sendable {
    /// A packet by its number, which counts from 1 without gaps.
    public struct Packet: Sendable, Hashable {
        /// ``NetClock/now`` before it was sent.
        public var sent: UInt64
        /// When its echo came back; nil: it didn't.
        public var answered: UInt64?
    }

    private let record = Record()
    private let thread: pthread_t

    /// Starts to send from the calling thread's namespace.
    ///
    /// - Parameter interval: microseconds between packets.
    public init(
        _ ipProtocol: IPProtocol, to destination: IPAddress, port: UInt16, everyMicroseconds interval: Int
    ) throws {
        let socket = try NetSocket(destination.family, ipProtocol == .tcp ? SOCK_STREAM : SOCK_DGRAM)
        let code = socket.connect(destination, port)
        guard code == 0 || code == EINPROGRESS else { throw NetError.system("connect", code) }
        if code == EINPROGRESS {
            guard socket.wait(POLLOUT, milliseconds: 2000) != 0, socket.pendingError == 0 else {
                throw NetError.timeout("TCP connection to \(destination) \(port)")
            }
        }
        socket.setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        let record = record
        thread = try NetThread.start { Self.send(on: socket, every: UInt64(interval) * 1000, record) }
    }

    /// The packets sent so far.
    public var packets: [Packet] { record.packets.copy() }

    /// Those of the packets sent so far that were sent after `time`.
    public func packets(since time: UInt64) -> [Packet] {
        let packets = packets
        return Array(packets[(packets.lastIndex { $0.sent <= time }.map { $0 + 1 } ?? 0)...])
    }

    /// Waits until this many of the packets sent after `time` are there.
    public func waitForPackets(_ count: Int, since time: UInt64) throws {
        try NetClock.wait("\(count) packets to be sent", seconds: 20) { packets(since: time).count >= count }
    }

    /// Waits until this many of the packets sent after `time` are answered.
    ///
    /// Packets of another hammer that the same path carried before those are judged by then: the answers are the
    /// markers that prove the others' silence.
    public func waitForAnswers(_ count: Int, since time: UInt64 = 0) throws {
        try NetClock.wait("\(count) answers", seconds: 20) {
            packets(since: time).count { $0.answered != nil } >= count
        }
    }

    /// Sends no more, waits for late answers, and returns all packets. Call once.
    public func stop() -> [Packet] {
        record.isStopping.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
        return packets
    }

    private final class Record: Sendable {
        let packets = Mutex<[Packet]>([])
        let isStopping = Atomic<Bool>(false)
    }

    private static let lateMilliseconds: UInt64 = 300

    private static func send(on socket: NetSocket, every interval: UInt64, _ record: Record) {
        var next = NetClock.now
        var number: UInt64 = 0
        while !record.isStopping.load(ordering: .relaxed) {
            number += 1
            record.packets.withLock { $0.append(Packet(sent: NetClock.now)) }
            // A refused packet shows as one without an answer; a full TCP buffer as well.
            socket.send(NetBytes.big(number))
            next += interval
            repeat { takeAnswers(socket, until: next, record) } while NetClock.now < next
        }
        takeAnswers(socket, until: NetClock.now + lateMilliseconds * 1_000_000, record)
    }

    private static func takeAnswers(_ socket: NetSocket, until end: UInt64, _ record: Record) {
        while true {
            let now = NetClock.now
            guard now < end else { return }
            // Rounded down, so that short intervals are kept by looking again and again.
            guard socket.wait(POLLIN, milliseconds: Int((end - now) / 1_000_000)) != 0 else { return }
            guard case .bytes(let bytes, _, _) = socket.receive() else { continue }
            guard !bytes.isEmpty else { return }
            let time = NetClock.now
            record.packets.withLock { packets in
                for start in stride(from: 0, to: bytes.count - 7, by: 8) {
                    let number: UInt64 = NetBytes.integer(bytes[start..<start + 8])
                    let index = Int(truncatingIfNeeded: number) - 1
                    if packets.indices.contains(index) { packets[index].answered = time }
                }
            }
        }
    }
}
