// SPDX-License-Identifier: Apache-2.0
import Glibc
import NodeNetwork

/// The kernel's own check of IPv4 source addresses (`rp_filter`) on the device that leads to the proxy, which bears
/// clients' addresses. The strict mode asks whether answers would leave by the same device, and would drop its packets.
/// The loose mode only asks whether there is a way back at all. Bulkhead's own check of pods' addresses stays.
enum SourceValidation {
    private static let strict = 1
    private static let loose = 2

    /// Turns the strict mode into the loose one. If that fails, the node's own setting drops the proxy's packets:
    /// nothing fails open.
    static func loosen(_ link: UInt32) {
        guard let own = setting(link), let value = try? own.read(), value != loose else { return }
        // The kernel applies the higher one of the two.
        let all = (try? KernelSetting("ipv4/conf/all/rp_filter").read()) ?? 0
        if max(all, value) == strict { try? own.write(loose) }
    }

    /// Gives the device the mode that new devices get.
    static func restore(_ link: UInt32) {
        guard let own = setting(link), (try? own.read()) == loose,
            let usual = try? KernelSetting("ipv4/conf/default/rp_filter").read(), usual != loose
        else { return }
        try? own.write(usual)
    }

    private static func setting(_ link: UInt32) -> KernelSetting? {
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(link, &name) != nil else { return nil }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return KernelSetting("ipv4/conf/\(text)/rp_filter")
    }
}
