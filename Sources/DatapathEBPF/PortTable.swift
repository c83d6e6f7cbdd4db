// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// The port class of every port of TCP, UDP and SCTP.
extension Generation {
    private static func table(_ ipProtocol: IPProtocol) -> Int? {
        IPProtocol.withPorts.firstIndex(of: ipProtocol).map { Int(BH_PORTS_OFFSET) + $0 * Int(BH_PORTS) * 2 }
    }

    func writePorts(_ segments: [PortSegment]) {
        for segment in segments {
            guard let table = Self.table(segment.ports.ipProtocol) else { continue }
            var port = Int(segment.ports.range.first)
            while port <= Int(segment.ports.range.last) {
                memory.updateHalf(atByte: table, port, segment.portClass.rawValue)
                port += 1
            }
        }
    }

    func portsMatch(_ segments: [PortSegment]) -> Bool {
        segments.allSatisfy { segment in
            guard let table = Self.table(segment.ports.ipProtocol) else { return true }
            return (segment.ports.range.first...segment.ports.range.last).allSatisfy {
                memory.half(atByte: table, Int($0)) == segment.portClass.rawValue
            }
        }
    }

    /// The present port table as runs.
    var portSegments: [PortSegment] {
        var segments: [PortSegment] = []
        for ipProtocol in IPProtocol.withPorts {
            guard let table = Self.table(ipProtocol) else { continue }
            var first = 0
            for port in 1...Int(BH_PORTS) {
                let number = memory.half(atByte: table, first)
                if port < Int(BH_PORTS), memory.half(atByte: table, port) == number { continue }
                let range = PortRange(UInt16(first), UInt16(port - 1))
                segments.append(PortSegment(ProtocolPorts(ipProtocol, range), PortClassID(rawValue: number)))
                first = port
            }
        }
        return segments
    }
}
