// SPDX-License-Identifier: Apache-2.0
import KernelErrors
import NetworkTypes

/// A packet that nothing sends, for ``RuleWalk``: the first one of a flow, without marks.
package struct WalkedPacket: Hashable, Sendable {
    package var family: AddressFamily
    package var source: IPAddress
    package var destination: IPAddress
    package var transportProtocol: UInt8
    /// From the IP header on.
    package var bytes: [UInt8]
    /// Bytes of the IP header.
    package var headerBytes: Int
    /// Index of the input interface, 0 for none.
    package var interface: UInt32
    /// Index of the output interface, 0 for none: the packet is for the node itself.
    package var outInterface: UInt32
    /// Hardware address of the frame's sender: six bytes.
    package var hardwareSource: [UInt8]

    package init(
        _ source: IPAddress, _ destination: IPAddress, protocol transportProtocol: UInt8, bytes: [UInt8],
        headerBytes: Int, interface: UInt32, outInterface: UInt32, hardwareSource: [UInt8]
    ) {
        family = source.family
        self.source = source
        self.destination = destination
        self.transportProtocol = transportProtocol
        self.bytes = bytes
        self.headerBytes = headerBytes
        self.interface = interface
        self.outInterface = outInterface
        self.hardwareSource = hardwareSource
    }
}

/// A packet's way through a table as the kernel holds it now: each rule on the way is read and interpreted. Counters,
/// limits and logs have no effect.
package struct RuleWalk {
    /// Something that a packet meets.
    package enum Step: Hashable, Sendable {
        /// An element of a map to verdicts.
        case mapped(by: String)
        case counted(String, kind: UInt32)
        case logged(prefix: String)
        /// A rule whose terms all held. What was met since the last end belongs to it.
        case endOfRule
    }

    package enum End: Hashable, Sendable {
        case accepted
        case dropped
    }

    /// The kernel's NFT_JUMP_STACK_SIZE.
    static let depthLimit = 16
    private let cache: TableCache
    private let packet: WalkedPacket
    package private(set) var steps: [Step] = []

    package init(_ packet: WalkedPacket, through cache: TableCache) {
        self.packet = packet
        self.cache = cache
    }

    /// Passes the chains that a hook calls, in order, until one of them drops the packet.
    package mutating func pass(hook: UInt32) throws(KernelError) -> End {
        for chain in try cache.baseChains() where chain.hook == hook {
            guard chain.type == "filter" else {
                throw .corrupt("the chain \(chain.name) of the table \(cache.table) is of the type \(chain.type)")
            }
            let end = try pass(chain.name, depth: 0) ?? (chain.drops ? .dropped : .accepted)
            if end == .dropped { return .dropped }
        }
        return .accepted
    }

    /// Nil: the chain's caller goes on.
    private mutating func pass(_ chain: String, depth: Int) throws(KernelError) -> End? {
        guard depth < Self.depthLimit else { throw .corrupt("the chain \(chain) of \(cache.table) is too deep") }
        for rule in try cache.rules(of: chain) {
            switch try pass(rule, of: chain) {
            case nil: continue
            case .accept: return .accepted
            case .drop: return .dropped
            case .leave: return nil
            case .go(let next): return try pass(next, depth: depth + 1)
            case .jump(let next):
                if let end = try pass(next, depth: depth + 1) { return end }
            }
        }
        return nil
    }

    /// The verdict of a rule; nil if a term does not hold, or if the rule has none.
    private mutating func pass(_ rule: KernelRule, of chain: String) throws(KernelError) -> ChainVerdict? {
        var registers = Registers()
        for expression in rule.expressions {
            switch expression {
            case .lookUp(let set, let from, let isNegated, let givesVerdict):
                let found = try cache.element(of: set) { registers.bytes(from, $0) }
                guard (found != nil) != isNegated else { return nil }
                guard givesVerdict else { continue }
                guard let target = found?.target else { throw unreadable(rule, chain, "lookup") }
                steps += [.mapped(by: set), .endOfRule]
                return target
            case .object(let kind, let name): steps.append(.counted(name, kind: kind))
            case .log(let prefix): steps.append(.logged(prefix: prefix))
            case .counter: continue
            case .reject:
                steps.append(.endOfRule)
                return .drop
            case .verdict(let verdict):
                steps.append(.endOfRule)
                return verdict
            case .unknown(let name): throw unreadable(rule, chain, name)
            default:
                switch registers.evaluate(expression, packet) {
                case .holds: continue
                case .fails: return nil
                case .isUnknown(let name): throw unreadable(rule, chain, name)
                }
            }
        }
        steps.append(.endOfRule)
        return nil
    }

    private func unreadable(_ rule: KernelRule, _ chain: String, _ expression: String) -> KernelError {
        .corrupt(
            "rule \(rule.handle) of the chain \(chain) in the table \(cache.table) has an expression that Bulkhead never "
                + "writes (\(expression))")
    }
}
