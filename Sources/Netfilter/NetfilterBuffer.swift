// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc

/// Memory in which netlink messages are built one after the other.
package struct NetfilterBuffer: ~Copyable {
    package private(set) var base: UnsafeMutableRawPointer
    package private(set) var count = 0
    private var capacity: Int

    /// Room that is always free for one more message: above the 64 KiB that one attribute can take.
    package static let headroom = 96 << 10

    package init(capacity: Int = 2 * Self.headroom) {
        self.capacity = capacity
        base = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { base.deallocate() }

    /// Builds one message at the end; `body` returns its header.
    package mutating func append(_ body: (UnsafeMutablePointer<CChar>) -> UnsafeMutablePointer<nlmsghdr>) {
        if capacity - count < Self.headroom {
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 8)
            larger.copyMemory(from: base, byteCount: count)
            base.deallocate()
            base = larger
            capacity *= 2
        }
        let place = base.advanced(by: count)
        let header = body(place.assumingMemoryBound(to: CChar.self))
        count += Int(header.pointee.nlmsg_len + 3) & ~3
    }
}
