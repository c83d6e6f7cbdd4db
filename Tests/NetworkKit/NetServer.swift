// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes
import Synchronization

/// A TCP, UDP and SCTP echo server on a thread of its own, in the namespace that its maker was in.
public final class NetServer: Sendable {
    /// A port to serve.
    public struct Port: Sendable, Hashable {
        public var ipProtocol: IPProtocol
        public var number: UInt16
        public init(_ ipProtocol: IPProtocol, _ number: UInt16) {
            self.ipProtocol = ipProtocol
            self.number = number
        }
    }

    /// A datagram, or a piece of a connection's data, that came in.
    public struct Arrival: Sendable, Hashable {
        public var port: Port
        public var source: IPAddress
        /// The first eight bytes: a hammer's packet number.
        public var number: UInt64
        /// ``NetClock/now``.
        public var time: UInt64
    }

    private let record: Record
    private let thread: pthread_t

    /// Listens at each of `addresses` at once, so that a client started after this finds it.
    public init(at addresses: [IPAddress], _ ports: [Port]) throws {
        var endpoints: [Endpoint] = []
        for address in addresses {
            for port in ports where port.ipProtocol != .sctp { endpoints.append(try Endpoint(address, port)) }
            let sctp = Set(ports.filter { $0.ipProtocol == .sctp }.map(\.number))
            if !sctp.isEmpty { endpoints.append(try Endpoint(sctpAt: address, ports: sctp)) }
        }
        let record = Record()
        let loop = Loop(endpoints, record)
        self.record = record
        thread = try NetThread.start { loop.run() }
    }

    /// All that came in so far.
    public var arrivals: [Arrival] { record.arrivals.copy() }

    /// Ends the thread and closes the sockets. Call once.
    public func stop() {
        record.isStopping.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
    }

    fileprivate final class Record: Sendable {
        let arrivals = Mutex<[Arrival]>([])
        let isStopping = Atomic<Bool>(false)
    }

    fileprivate struct Endpoint {
        enum Role {
            case listener
            case connection
            case datagrams
            case associations(Set<UInt16>)
        }
        let socket: NetSocket
        let role: Role
        let port: Port
        /// For a connection; other protocols report it with each datagram.
        let peer: IPAddress?

        init(_ socket: NetSocket, _ role: Role, _ port: Port, peer: IPAddress? = nil) {
            self.socket = socket
            self.role = role
            self.port = port
            self.peer = peer
        }

        init(_ address: IPAddress, _ port: Port) throws {
            let isTCP = port.ipProtocol == .tcp
            let socket = try NetSocket(address.family, isTCP ? SOCK_STREAM : SOCK_DGRAM)
            try socket.bind(address, port.number)
            if isTCP { try socket.listen() }
            self.init(socket, isTCP ? .listener : .datagrams, port)
        }

        /// The kernel here has no SCTP sockets: a raw one sees all associations.
        init(sctpAt address: IPAddress, ports: Set<UInt16>) throws {
            let socket = try NetSocket(address.family, SOCK_RAW, ipProtocol: Int32(IPProtocol.sctp.rawValue))
            try socket.bind(address, 0)
            self.init(socket, .associations(ports), Port(.sctp, 0))
        }
    }

    /// The thread's own.
    private final class Loop {
        private var endpoints: [Endpoint]
        private let record: Record

        init(_ endpoints: [Endpoint], _ record: Record) {
            self.endpoints = endpoints
            self.record = record
        }

        func run() {
            while !record.isStopping.load(ordering: .relaxed) {
                var waiting = endpoints.map { pollfd(fd: $0.socket.descriptor, events: Int16(POLLIN), revents: 0) }
                guard poll(&waiting, nfds_t(waiting.count), 20) > 0 else { continue }
                var closed: [Int] = []
                for index in waiting.indices where waiting[index].revents != 0 {
                    if !serve(endpoints[index]) { closed.append(index) }
                }
                for index in closed.reversed() { endpoints.remove(at: index) }
            }
        }

        /// Returns false when the socket is to be closed.
        private func serve(_ endpoint: Endpoint) -> Bool {
            if case .listener = endpoint.role {
                if let (connection, peer) = endpoint.socket.accept() {
                    endpoints.append(Endpoint(connection, .connection, endpoint.port, peer: peer))
                }
                return true
            }
            while true {
                switch endpoint.socket.receive() {
                case .nothing: return true
                case .failed:
                    // An ICMP error that an answer drew belongs to that answer; a connection's error ends it.
                    if case .connection = endpoint.role { return false }
                case .bytes(let bytes, let source, let port):
                    if bytes.isEmpty, case .connection = endpoint.role { return false }
                    answer(bytes, from: endpoint.peer ?? source, port, at: endpoint)
                }
            }
        }

        private func answer(_ bytes: [UInt8], from source: IPAddress, _ port: UInt16, at endpoint: Endpoint) {
            var arrival = Arrival(port: endpoint.port, source: source, number: 0, time: NetClock.now)
            arrival.number = NetBytes.integer(bytes[...])
            switch endpoint.role {
            case .listener: return
            case .connection: endpoint.socket.send(bytes)
            case .datagrams: endpoint.socket.send(bytes, to: source, port)
            case .associations(let ports):
                let packet = Array(NetProbe.transport(of: bytes, source.family))
                guard packet.count >= 32, packet[12] == NetSCTP.initiate else { return }
                arrival.port.number = NetBytes.integer(packet[2..<4])
                endpoint.socket.send(Self.answer(toInitiate: packet, serving: ports), to: source)
            }
            record.arrivals.withLock { $0.append(arrival) }
        }

        private static func answer(toInitiate packet: [UInt8], serving ports: Set<UInt16>) -> [UInt8] {
            let clientPort: UInt16 = NetBytes.integer(packet[0..<2])
            let port: UInt16 = NetBytes.integer(packet[2..<4])
            let tag: UInt32 = NetBytes.integer(packet[16..<20])
            guard ports.contains(port) else {
                return NetBytes.sctp(from: port, to: clientPort, tag: tag, chunk: NetSCTP.abort, body: [])
            }
            // As the INIT's body, and a State Cookie parameter (type 7) of four bytes.
            let body = Array(packet[16..<32]) + [0, 7, 0, 8, 1, 2, 3, 4]
            return NetBytes.sctp(from: port, to: clientPort, tag: tag, chunk: NetSCTP.initiateAcknowledge, body: body)
        }
    }
}
