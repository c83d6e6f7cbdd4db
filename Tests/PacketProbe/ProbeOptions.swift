// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes

/// The command line, taken apart: a mode, options with one value each, and the rest.
struct ProbeOptions {
    enum Mode: String, CaseIterable {
        case probe
        case spoof
        case hold
        case hammer
        case serve
    }

    struct Mistake: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    var mode = Mode.probe
    private var values: [String: String] = [:]
    private(set) var operands: [String] = []

    static let usage = """
        usage: packet-probe [probe] [--from ADDRESS] [--timeout MS] [--payload BYTES] [--no-fragments yes] TARGET...
               packet-probe spoof --from ADDRESS TARGET...    one UDP datagram each, with that source
               packet-probe hold [--seconds N] TARGET         one TCP connection; a line each time it stops or goes on
               packet-probe hammer [--every MICROSECONDS] [--seconds N] TARGET
               packet-probe serve --at ADDRESS[,ADDRESS...] PROTOCOL/PORT...
        TARGET is PROTOCOL/ADDRESS/PORT, or icmp/ADDRESS. Results are lines of JSON on standard output.
        """

    init(_ arguments: some Sequence<String>) throws {
        var rest = Array(arguments)[...]
        if let word = rest.first, let named = Mode(rawValue: word) {
            mode = named
            rest = rest.dropFirst()
        }
        while let word = rest.popFirst() {
            guard word.hasPrefix("--") else {
                operands.append(word)
                continue
            }
            guard let value = rest.popFirst() else { throw Mistake("\(word) needs a value") }
            values[String(word.dropFirst(2))] = value
        }
        let known: Set = ["from", "timeout", "payload", "no-fragments", "seconds", "every", "at"]
        if let other = values.keys.first(where: { !known.contains($0) }) { throw Mistake("--\(other) is unknown") }
        if operands.isEmpty { throw Mistake("nothing to do") }
    }

    func number(_ name: String, otherwise: Int) throws -> Int {
        guard let text = values[name] else { return otherwise }
        guard let number = Int(text), (0...100_000_000).contains(number) else {
            throw Mistake("--\(name) needs a number")
        }
        return number
    }

    func addresses(_ name: String) throws -> [IPAddress] {
        try (values[name] ?? "").split(separator: ",").map { try IPAddress($0) }
    }

    func probes() throws -> [NetProbe] {
        let source = try addresses("from").first
        return try operands.map { operand in
            let parts = operand.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count >= 2, let ipProtocol = IPProtocol(name: parts[0]) else {
                throw Mistake("'\(operand)' is no target")
            }
            let port = parts.count == 3 ? UInt16(parts[2]) : ipProtocol.hasPorts ? nil : 0
            guard let port, parts.count <= 3 else { throw Mistake("'\(operand)' needs a port") }
            return NetProbe(
                ipProtocol, to: try IPAddress(parts[1]), port: port, from: source,
                payloadBytes: try number("payload", otherwise: 32), dontFragment: values["no-fragments"] != nil,
                milliseconds: try number("timeout", otherwise: 400))
        }
    }

    func ports() throws -> [NetServer.Port] {
        try operands.map { operand in
            let parts = operand.split(separator: "/")
            guard parts.count == 2, let ipProtocol = IPProtocol(name: parts[0]), let number = UInt16(parts[1]) else {
                throw Mistake("'\(operand)' is no PROTOCOL/PORT")
            }
            return NetServer.Port(ipProtocol, number)
        }
    }
}
