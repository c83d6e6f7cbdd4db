// SPDX-License-Identifier: Apache-2.0

/// Bits of a packet's mark, and of its connection's, by which the node's own rules at `prerouting` say that the packet is
/// on its way to the node's proxy or from it. No pod can set them: a mark does not leave a network namespace, and the
/// rules clear it.
public struct SteeringMarks: Sendable, Hashable {
    /// The packet must go to the proxy. 0: none does.
    public var toProxy: UInt32
    /// The packet comes from the proxy, with its client's address. 0: none does.
    public var fromProxy: UInt32

    public init(toProxy: UInt32, fromProxy: UInt32) {
        self.toProxy = toProxy
        self.fromProxy = fromProxy
    }

    /// No packet is steered.
    public static let none = SteeringMarks(toProxy: 0, fromProxy: 0)

    /// Both bits. Only these are read and written; other marks stay as they are.
    public var mask: UInt32 { toProxy | fromProxy }
}

extension SteeringMarks: CustomStringConvertible {
    /// The way to the proxy and the mask, as iptables and `ip rule` write marks: `0x10/0x30`.
    public var description: String { "0x\(String(toProxy, radix: 16))/0x\(String(mask, radix: 16))" }
}
