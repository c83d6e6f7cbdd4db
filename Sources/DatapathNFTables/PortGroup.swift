// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import PolicyModel

/// The ports of a rule: one comparison if one range of one protocol is enough, otherwise a set.
struct PortGroup: Sendable {
    /// Merged: disjoint, in order.
    let ports: [ProtocolPorts]
    let name: String
    var uses = 0

    init(_ ports: [ProtocolPorts]) {
        var merged: [ProtocolPorts] = []
        for next in ports.sorted() {
            if let last = merged.last, last.ipProtocol == next.ipProtocol,
                Int(next.range.first) <= Int(last.range.last) + 1
            {
                let end = max(last.range.last, next.range.last)
                merged[merged.count - 1].range = PortRange(last.range.first, end)
            } else {
                merged.append(next)
            }
        }
        self.ports = merged
        let text = merged.map { "\($0.range)-\($0.ipProtocol)" }.joined(separator: "_")
        name = "ports/\(TableName.slug(text, limit: 48))/\(Digest.text(text))"
    }

    private static let fields: [Field] = [.transportProtocol, .destinationPort]

    /// The set that it needs; nil if none.
    var set: TableSet? {
        guard ports.count > 1 else { return nil }
        let isInterval = ports.contains { $0.range.first != $0.range.last }
        let elements = ports.map { port in
            let key = [port.ipProtocol.rawValue, 0, 0, 0]
            func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255), 0, 0] }
            let end = isInterval ? key + bytes(port.range.last) : nil
            return SetElement(key: key + bytes(port.range.first), end: end)
        }
        return TableSet(SetShape(name: name, fields: Self.fields, isInterval: isInterval), .elements(Set(elements)))
    }

    var terms: [Term] {
        guard ports.count == 1 else { return [.member(Self.fields, of: name)] }
        let whole: [Term] = [.transportProtocol(ports[0].ipProtocol)]
        return ports[0].range == .all ? whole : whole + [.destinationPort(ports[0].range)]
    }
}
