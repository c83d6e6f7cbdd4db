// SPDX-License-Identifier: Apache-2.0
import Glibc
import Netfilter
import NetworkTypes

/// The node's own addresses.
package enum NodeAddresses {
    /// Those of all interfaces of the calling thread's network namespace; nil if they cannot be read.
    package static func current() -> Set<IPAddress>? {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var addresses: Set<IPAddress> = []
        for entry in sequence(first: first, next: { $0?.pointee.ifa_next }).compactMap({ $0?.pointee.ifa_addr }) {
            // Port and, for IPv6, flow information are between family and address.
            let bytes: UnsafeRawBufferPointer
            switch Int32(entry.pointee.sa_family) {
            case AF_INET: bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(entry) + 4, count: 4)
            case AF_INET6: bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(entry) + 8, count: 16)
            default: continue
            }
            if let address = IPAddress(networkBytes: Array(bytes)) { addresses.insert(address) }
        }
        return addresses
    }
}
