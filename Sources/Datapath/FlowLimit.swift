// SPDX-License-Identifier: Apache-2.0

/// How many new flows a datapath reports. What is over the limit is counted.
public struct FlowLimit: Sendable, Hashable {
    /// On average, on the whole node.
    public var perSecond: UInt32
    /// At once; eBPF allows at most as many as come in two seconds on average.
    public var burst: UInt32

    public init(perSecond: UInt32 = 1000, burst: UInt32 = 2000) {
        self.perSecond = max(perSecond, 1)
        self.burst = max(burst, 1)
    }
}
