// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes

/// What a client saw.
public enum NetOutcome: String, Sendable, CaseIterable {
    /// The far end answered in kind: TCP and UDP echo, ICMP echo reply, SCTP INIT ACK.
    case answered
    /// TCP reset, ICMP port unreachable or SCTP ABORT: the way there and back is open, without a listener.
    case refused
    /// Nothing came back in time.
    case timeout
    /// ICMP said that the packet was too big for the way.
    case tooBig = "too-big"
    /// The kernel or a router reported that there is no way.
    case unreachable
}

/// One question asked of the network from the calling thread's namespace.
public struct NetProbe: Sendable, Hashable {
    public var ipProtocol: IPProtocol
    public var destination: IPAddress
    public var port: UInt16
    /// Nil: the kernel chooses.
    public var source: IPAddress?
    /// Bytes of payload (UDP, ICMP echo); above the MTU it goes as fragments.
    public var payloadBytes: Int
    /// Whether routers must not fragment (UDP).
    public var dontFragment: Bool
    public var milliseconds: Int

    public init(
        _ ipProtocol: IPProtocol, to destination: IPAddress, port: UInt16 = 0, from source: IPAddress? = nil,
        payloadBytes: Int = 32, dontFragment: Bool = false, milliseconds: Int = 250
    ) {
        self.ipProtocol = ipProtocol
        self.destination = destination
        self.port = port
        self.source = source
        self.payloadBytes = payloadBytes
        self.dontFragment = dontFragment
        self.milliseconds = milliseconds
    }

    public func run() throws -> NetOutcome {
        switch ipProtocol {
        case .tcp: try tcp()
        case .udp: try udp()
        case .sctp: try sctp()
        case .icmp, .icmpv6: try echo()
        default: throw NetError.missing("a probe for \(ipProtocol)")
        }
    }

    private var payload: [UInt8] { (0..<payloadBytes).map { UInt8(truncatingIfNeeded: $0) } }

    /// Calls `attempt` until it gives an outcome or the time is over.
    private func untilTimeout(_ attempt: (_ millisecondsLeft: Int) -> NetOutcome?) -> NetOutcome {
        let end = NetClock.now + UInt64(milliseconds) * 1_000_000
        while true {
            let now = NetClock.now
            guard now < end else { return .timeout }
            if let outcome = attempt(Int((end - now + 999_999) / 1_000_000)) { return outcome }
        }
    }

    private static func outcome(ofError code: Int32) -> NetOutcome? {
        switch code {
        case 0, EAGAIN, EINPROGRESS: nil
        case ECONNREFUSED, ECONNRESET: .refused
        case EMSGSIZE: .tooBig
        case ETIMEDOUT: .timeout
        default: .unreachable
        }
    }

    private func tcp() throws -> NetOutcome {
        let socket = try NetSocket(destination.family, SOCK_STREAM)
        if let source { try socket.bind(source, 0) }
        if let outcome = Self.outcome(ofError: socket.connect(destination, port)) { return outcome }
        guard socket.wait(POLLOUT, milliseconds: milliseconds) != 0 else { return .timeout }
        if let outcome = Self.outcome(ofError: socket.pendingError) { return outcome }
        socket.send(payload)
        return untilTimeout { left in
            _ = socket.wait(POLLIN, milliseconds: left)
            return switch socket.receive() {
            case .bytes(let bytes, _, _): bytes.isEmpty ? .refused : .answered
            case .nothing: nil
            case .failed(let code): Self.outcome(ofError: code)
            }
        }
    }

    private func udp() throws -> NetOutcome {
        let socket = try NetSocket(destination.family, SOCK_DGRAM)
        if let source { try socket.bind(source, 0) }
        if dontFragment {
            socket.setOption(Int32(IPPROTO_IP), IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            socket.setOption(Int32(IPPROTO_IPV6), IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)
        }
        if let outcome = Self.outcome(ofError: socket.connect(destination, port)) { return outcome }
        let payload = payload
        if let outcome = Self.outcome(ofError: socket.send(payload)) { return outcome }
        return untilTimeout { left in
            _ = socket.wait(POLLIN, milliseconds: left)
            return switch socket.receive() {
            case .bytes(let bytes, _, _): bytes == payload ? .answered : nil
            case .nothing: nil
            case .failed(let code): Self.outcome(ofError: code)
            }
        }
    }

    /// ICMP echo (RFC 792, RFC 4443): the far kernel answers.
    private func echo() throws -> NetOutcome {
        let isV4 = destination.family == .ipv4
        let number = Int32(isV4 ? IPProtocol.icmp.rawValue : IPProtocol.icmpv6.rawValue)
        let socket = try NetSocket(destination.family, SOCK_RAW, ipProtocol: number)
        if let source { try socket.bind(source, 0) }
        let identifier = UInt16.random(in: 1...(.max))
        let rest = NetBytes.big(identifier) + NetBytes.big(UInt16(1)) + payload
        // The kernel fills in the ICMPv6 checksum.
        let request: UInt8 = isV4 ? 8 : 128
        let checksum = isV4 ? NetBytes.checksum([request, 0, 0, 0] + rest) : 0
        let message = [request, 0] + NetBytes.big(checksum) + rest
        if let outcome = Self.outcome(ofError: socket.send(message, to: destination)) { return outcome }
        return untilTimeout { left in
            _ = socket.wait(POLLIN, milliseconds: left)
            guard case .bytes(let bytes, _, _) = socket.receive() else { return nil }
            let message = Self.transport(of: bytes, destination.family)
            let isReply = message.first == (isV4 ? 0 : 129) && message.dropFirst(4).starts(with: rest)
            return isReply ? .answered : nil
        }
    }

    /// An SCTP association's first step (RFC 9260): INIT, answered by INIT ACK or ABORT.
    private func sctp() throws -> NetOutcome {
        let socket = try NetSocket(destination.family, SOCK_RAW, ipProtocol: Int32(IPProtocol.sctp.rawValue))
        if let source { try socket.bind(source, 0) }
        let ownPort = UInt16.random(in: 32768...60999)
        let tag = UInt32.random(in: 1...(.max))
        // Initiate tag, advertised window, outbound and inbound streams, initial TSN.
        let body = NetBytes.big(tag) + NetBytes.big(UInt32(65536)) + [0, 1, 0, 1] + NetBytes.big(tag)
        let packet = NetBytes.sctp(from: ownPort, to: port, tag: 0, chunk: NetSCTP.initiate, body: body)
        if let outcome = Self.outcome(ofError: socket.send(packet, to: destination)) { return outcome }
        return untilTimeout { left in
            _ = socket.wait(POLLIN, milliseconds: left)
            guard case .bytes(let bytes, _, _) = socket.receive() else { return nil }
            let answer = Array(Self.transport(of: bytes, destination.family))
            guard answer.count >= 16, NetBytes.integer(answer[2..<4]) == ownPort,
                NetBytes.integer(answer[4..<8]) == tag
            else { return nil }
            return answer[12] == NetSCTP.initiateAcknowledge ? .answered : answer[12] == NetSCTP.abort ? .refused : nil
        }
    }

    /// A raw IPv4 socket gives the IP header too, a raw IPv6 socket doesn't.
    static func transport(of bytes: [UInt8], _ family: AddressFamily) -> ArraySlice<UInt8> {
        family == .ipv4 && !bytes.isEmpty ? bytes.dropFirst(Int(bytes[0] & 15) * 4) : bytes[...]
    }
}

/// SCTP chunk types (RFC 9260, section 3.2).
enum NetSCTP {
    static let initiate: UInt8 = 1
    static let initiateAcknowledge: UInt8 = 2
    static let abort: UInt8 = 6
}

extension NetProbe {
    /// Asks all at once, each on a thread of its own; outcomes in the order of `probes`.
    public static func runTogether(_ probes: [NetProbe]) throws -> [NetOutcome] {
        try runTogether(probes.map { (nil, $0) })
    }

    /// The same, each from a namespace; nil: from the calling thread's.
    public static func runTogether(_ probes: [(namespace: NetNamespace?, probe: NetProbe)]) throws -> [NetOutcome] {
        try NetThread.runTogether(
            probes.map { asked in
                {
                    try asked.namespace?.enter()
                    return try asked.probe.run()
                }
            })
    }
}
