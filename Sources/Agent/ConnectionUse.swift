// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How full the kernel's connection table is. If it is full, the kernel drops packets that would begin a new flow,
/// before any policy judges them.
package struct ConnectionUse: Hashable {
    package var count: Int
    /// 0 for none.
    package var limit: Int

    /// The settings of the calling thread's network namespace.
    package static let settings = "/proc/sys/net/netfilter"

    /// Nil if connections are not tracked.
    package init?(settings directory: String = settings) {
        guard let count = Self.number(directory + "/nf_conntrack_count"),
            let limit = Self.number(directory + "/nf_conntrack_max")
        else { return nil }
        self.count = count
        self.limit = limit
    }

    /// So full that a burst of new flows fills it.
    package var isNearlyFull: Bool { limit > 0 && count >= limit - limit / 20 }

    package var description: String {
        "the kernel's connection table is nearly full (\(count) of \(limit)): once it is full, the kernel drops packets that "
            + "would begin a new flow; raise net.netfilter.nf_conntrack_max"
    }

    private static func number(_ path: String) -> Int? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 32)
        let length = read(file, &bytes, bytes.count)
        guard length > 0 else { return nil }
        return Int(String(decoding: bytes[..<length].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}
