// SPDX-License-Identifier: Apache-2.0

/// A rule as the kernel holds it.
package struct KernelRule: Hashable, Sendable {
    package var handle: UInt64
    package var expressions: [KernelExpression]
}

/// One expression of a rule in the kernel. Registers are offsets in bytes: the kernel's own numbers name parts of the
/// same 64 bytes by 16 or by 4.
package enum KernelExpression: Hashable, Sendable {
    /// `NFT_META_*`.
    case meta(UInt32, to: Int)
    /// `NFT_CT_*`; the direction is that of `NFT_CT_SRC_IP` and its like.
    case connection(UInt32, direction: UInt8, to: Int)
    /// `NFT_PAYLOAD_*`.
    case payload(UInt32, offset: Int, byteCount: Int, to: Int)
    /// Whether there is an IPv6 extension header of a type.
    case extensionHeader(UInt8, to: Int)
    /// `NFT_CMP_*`.
    case compare(UInt32, from: Int, [UInt8])
    case range(isOutside: Bool, from: Int, [UInt8], [UInt8])
    case bitwise(from: Int, to: Int, mask: [UInt8], flip: [UInt8])
    /// A set, or a map to verdicts.
    case lookUp(String, from: Int, isNegated: Bool, givesVerdict: Bool)
    /// A named counter or limit, by `NFT_OBJECT_*`.
    case object(UInt32, String)
    /// A counter of the rule's own.
    case counter
    case log(prefix: String)
    case reject
    case verdict(ChainVerdict)
    /// One that Bulkhead never writes: its name.
    case unknown(String)
}

/// A chain that a hook calls.
package struct KernelBaseChain: Hashable, Sendable {
    package var name: String
    /// `NF_INET_*`.
    package var hook: UInt32
    package var priority: Int32
    /// Whether it drops what no rule decides.
    package var drops: Bool
    /// "filter", "nat", "route".
    package var type: String
}

/// How the kernel looks up keys of a set.
package struct KernelSet: Hashable, Sendable {
    package var keyBytes: Int
    package var isInterval: Bool
    /// Bytes of the fields of a key, of which each has a range of its own; empty: the key is one number.
    package var fieldBytes: [Int]
}
