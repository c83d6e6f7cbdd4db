// SPDX-License-Identifier: Apache-2.0
import DatapathNFTables
import Netfilter
import NetworkTypes

/// A packet's way through the plan of a table, step by step, like the kernel's: the first packet of a flow, through an
/// interface that belongs to no pod.
struct TableWalk {
    private let contents: TableContents
    private let flow: Flow
    /// The packet's mark.
    private let mark: UInt32
    private var isToOwnNode = false
    /// Names of the counters that it passes.
    private(set) var counted: [String] = []

    private enum End {
        case accept
        case drop
        /// Goes on after the jump.
        case back
    }

    init(_ contents: TableContents, _ flow: Flow, mark: UInt32 = 0) {
        self.contents = contents
        self.flow = flow
        self.mark = mark
    }

    /// Whether the packet is let through, forwarded or from another hook's chain.
    mutating func isAccepted(_ base: String = "forward") -> Bool {
        isToOwnNode = base == "input"
        if case .drop = walk(base, depth: 0) { return false }
        return true
    }

    private mutating func walk(_ name: String, depth: Int) -> End {
        // The kernel's NFT_JUMP_STACK_SIZE.
        precondition(depth < 16, "too deep: \(name)")
        for rule in contents.chains[name]!.rules {
            switch evaluate(rule) {
            case nil: continue
            case .accept: return .accept
            case .drop: return .drop
            case .leave: return .back
            case .go(let chain): return walk(chain, depth: depth + 1)
            case .jump(let chain):
                let end = walk(chain, depth: depth + 1)
                if case .back = end { continue }
                return end
            }
        }
        return .back
    }

    /// Nil: the rule does not match, or says nothing.
    private mutating func evaluate(_ rule: TableRule) -> ChainVerdict? {
        for term in rule.terms {
            switch term {
            case .family(let family): guard flow.source.family == family else { return nil }
            // No such term is in the table `inet bulkhead`.
            case .etherType, .setMark, .setMarkBits, .write, .acceptForHost, .transparentSocket, .redirectToProxy:
                return nil
            // No neighbor's, no bridged one, none that names its way.
            case .portMark(let isThere): guard !isThere else { return nil }
            case .masked(.mark, let mask, let value):
                let bytes = withUnsafeBytes(of: mark) { Array($0) }
                guard zip(bytes, mask).map({ $0 & $1 }) == value else { return nil }
            // To another interface, unless it is for the node.
            case .differs(.outInterface, _): guard !isToOwnNode else { return nil }
            case .differs: return nil
            case .masked, .headerWords, .sourceRouteByte, .routingHeader: return nil
            // The first of its flow.
            case .connectionState, .replyDirection, .originalDirection: return nil
            case .unconfirmed: break
            case .destinationNAT(let isDone): guard !isDone else { return nil }
            case .toOwnNode: guard isToOwnNode else { return nil }
            case .transportProtocol(let number): guard flow.ipProtocol == number else { return nil }
            case .destinationPort(let range):
                guard let port = flow.destinationPort, range.contains(port) else { return nil }
            case .hasDestinationPort: guard flow.destinationPort != nil else { return nil }
            case .member(let fields, let set, let negated):
                guard (look(for: fields, in: set) != nil) != negated else { return nil }
            case .dispatch(let fields, let map):
                guard let element = look(for: fields, in: map) else { return nil }
                return element.target
            case .within(.source, let prefix): guard prefix.contains(flow.source) else { return nil }
            case .within(_, let prefix): guard prefix.contains(flow.destination) else { return nil }
            case .outside(.source, let prefix): guard !prefix.contains(flow.source) else { return nil }
            case .outside(_, let prefix): guard !prefix.contains(flow.destination) else { return nil }
            case .count(let name): counted.append(name)
            case .limit, .log: continue
            case .resetTCP, .rejectProhibited: return .drop
            case .verdict(let verdict): return verdict
            }
        }
        return nil
    }

    private func look(for fields: [Field], in name: String) -> SetElement? {
        guard let key = key(fields) else { return nil }
        let found = SetElement(key: key)
        switch contents.sets[name]!.members {
        case .addresses(let addresses): return addresses.contains { bytes($0) == key } ? found : nil
        case .ranges(let ranges):
            return ranges.contains {
                !key.lexicographicallyPrecedes(bytes($0.first)) && !bytes($0.last).lexicographicallyPrecedes(key)
            }
                ? found : nil
        case .elements(let elements):
            return elements.first { element in
                guard let end = element.end else { return element.key == key }
                // Each field has a range of its own; all fields here are four bytes.
                return stride(from: 0, to: key.count, by: 4).allSatisfy { start in
                    let field = key[start..<start + 4]
                    return !field.lexicographicallyPrecedes(element.key[start..<start + 4])
                        && !end[start..<start + 4].lexicographicallyPrecedes(field)
                }
            }
        }
    }

    private func bytes(_ address: IPAddress) -> [UInt8] {
        func big(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        return address.family == .ipv4 ? big(address.v4) : big(address.high) + big(address.low)
    }

    /// Nil: the packet lacks a field.
    private func key(_ fields: [Field]) -> [UInt8]? {
        var key: [UInt8] = []
        for field in fields {
            switch field {
            case .outInterface where isToOwnNode: key += [0, 0, 0, 0]
            case .interface, .outInterface, .hardwareSource, .mark, .connectionMark, .nextHop, .sourcePort, .arpSource,
                .icmpType, .icmpv4Type,
                .hopLimit, .connectionSource, .connectionID, .part:
                return nil
            case .source: key += bytes(flow.source)
            case .destination: key += bytes(flow.destination)
            case .transportProtocol: key += [flow.ipProtocol.rawValue] + (fields.count > 1 ? [0, 0, 0] : [])
            case .destinationPort:
                guard let port = flow.destinationPort else { return nil }
                key += [UInt8(port >> 8), UInt8(port & 255), 0, 0]
            }
        }
        return key
    }
}
