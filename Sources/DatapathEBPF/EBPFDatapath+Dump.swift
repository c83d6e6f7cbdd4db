// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath
import NetworkTypes

extension EBPFDatapath {
    public func dump() throws(DatapathError) -> String {
        let generation = try opened()
        return generation.dump()
    }
}

extension Generation {
    /// The tables as text, read back from the kernel's memory.
    fileprivate func dump() -> String {
        var lines = [
            "generation \(number) layout \(BH_LAYOUT_VERSION)",
            "heap words used \(memory.heap.usedWords) of \(memory.heap.totalWords), waiting \(memory.retired.count) blocks",
            "own node \(judgesOwnNode ? "judged" : "not judged")",
            "proxy marks \(steeringMarks.mask), from the proxy \(steeringMarks.fromProxy)",
        ]
        dumpEndpoints(&lines)
        dumpPorts(&lines)
        dumpPrograms(&lines)
        dumpAddresses4(&lines)
        let zero = Bits128(high: 0, low: 0)
        dumpSpans6(AddressTree6.rootSpans(in: memory), zero, 0, &lines)
        return lines.joined(separator: "\n") + "\n"
    }

    private func dumpEndpoints(_ lines: inout [String]) {
        let names = Dictionary(uniqueKeysWithValues: programs.blocks.map { ($0.value.block.offset, $0.key.rawValue) })
        func name(_ offset: UInt32) -> String { offset == 0 ? "none" : names[offset].map { "\($0)" } ?? "at \(offset)" }
        for (number, key) in keys.all(.endpoint) {
            let id = EndpointID(rawValue: UInt16(number))
            let (ingress, egress) = EndpointTable.programs(id, in: memory)
            let place = endpoints.places[id] ?? EndpointTable.Place()
            let interfaces = place.routed.sorted().map { "\($0)" }.joined(separator: ",")
            lines.append(
                "endpoint \(number) key \(key) ingress \(name(ingress)) egress \(name(egress))"
                    + " interfaces \(interfaces.isEmpty ? "none" : interfaces)"
                    + (place.bridge == 0 ? "" : " port \(place.port) of bridge \(place.bridge)"))
        }
    }

    private func dumpPorts(_ lines: inout [String]) {
        for segment in portSegments where segment.portClass != .none {
            lines.append("ports \(segment.ports) class \(segment.portClass.rawValue)")
        }
    }

    private func dumpPrograms(_ lines: inout [String]) {
        let classes = keys.all(.addressClass).map(\.number)
        let ports = Set(portSegments.map { Int($0.portClass.rawValue) } + [0]).sorted()
        for (id, block) in programs.blocks.sorted(by: { $0.key < $1.key }) {
            lines.append("program \(id.rawValue) at \(block.block.offset) words \(block.block.words)")
            for row in Set([0] + classes).sorted() where Int(row) < block.rowCapacity {
                let cells = ports.filter { $0 < block.columnCapacity }.map { port in
                    let at = UInt32(
                        Int(memory.half(atByte: Int(block.rows) * 4, Int(row))) * block.stride
                            + Int(memory.half(atByte: Int(block.columns) * 4, port)))
                    let cell = memory.load(block.cells + at)
                    return "\(port):\(Self.verdict(cell))/\(cell & BH_CELL_RULE_MASK)"
                }
                lines.append("  class \(row): " + cells.joined(separator: " "))
            }
        }
    }

    private static func verdict(_ cell: UInt32) -> String {
        switch cell & BH_CELL_ACTION_MASK {
        case BH_CELL_ALLOW: "allow"
        case BH_CELL_AUDIT: "audit"
        case BH_CELL_HAND_OVER: "hand-over"
        default: "deny"
        }
    }

    private static func text(_ word: UInt32) -> String {
        let entry = AddressEntry(word: word)
        return "class \(entry.addressClass.rawValue)"
            + (entry.endpoint == .none ? "" : " endpoint \(entry.endpoint.rawValue)")
    }

    private func dumpAddresses4(_ lines: inout [String]) {
        var spans: [(first: UInt32, word: UInt32)] = []
        for slot in 0..<UInt32(BH_SLOTS) {
            let word = memory.load(UInt32(BH_ROOT4_OFFSET / 4) + slot)
            for span in isPointer(word) ? memory.spans(word, 0, .max) : [Span(0, word)]
            where spans.last?.word != span.word {
                spans.append((slot << 16 | UInt32(span.first), span.word))
            }
        }
        for (index, span) in spans.enumerated() where span.word != 0 {
            let last = index + 1 < spans.count ? spans[index + 1].first - 1 : .max
            lines.append("address \(IPAddress(v4: span.first))-\(IPAddress(v4: last)) \(Self.text(span.word))")
        }
    }

    private func dumpNode6(_ word: UInt32, _ lines: inout [String]) {
        let at = offset(of: word)
        let group = Int(memory.load(at + AddressTree6.groupWord))
        let prefix = Bits128(high: memory.load64(at + 4), low: memory.load64(at + 6))
        let otherwise = Self.text(memory.load(at + AddressTree6.otherwiseWord))
        lines.append("prefix \(IPAddress(v6High: prefix.high, low: prefix.low))/\(group * 16), around it \(otherwise)")
        dumpSpans6(memory.spans(memory.load(at + AddressTree6.windowWord), 0, .max), prefix, group, &lines)
    }

    private func dumpSpans6(_ spans: [Span], _ prefix: Bits128, _ group: Int, _ lines: inout [String]) {
        for (index, span) in spans.enumerated() where span.word != 0 {
            guard !isNode(span.word) else {
                dumpNode6(span.word, &lines)
                continue
            }
            let last = index + 1 < spans.count ? spans[index + 1].first - 1 : UInt16.max
            let (low, high) = (prefix.with(group, span.first), prefix.with(group, last).filled(after: group))
            lines.append(
                "address \(IPAddress(v6High: low.high, low: low.low))-"
                    + "\(IPAddress(v6High: high.high, low: high.low)) \(Self.text(span.word))")
        }
    }
}

extension Bits128 {
    fileprivate func with(_ group: Int, _ value: UInt16) -> Bits128 {
        let bits = UInt64(value) << UInt64((3 - group & 3) * 16)
        return group < 4 ? Bits128(high: high | bits, low: low) : Bits128(high: high, low: low | bits)
    }

    fileprivate func filled(after group: Int) -> Bits128 {
        let mask = Bits128.mask(groups: group + 1)
        return Bits128(high: high | ~mask.high, low: low | ~mask.low)
    }
}
