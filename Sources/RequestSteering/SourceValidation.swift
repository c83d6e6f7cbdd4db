// SPDX-License-Identifier: Apache-2.0
import Glibc
import NodeNetwork

/// The kernel's own check of IPv4 source addresses (`rp_filter`) on the device that leads to the proxy, which bears
/// clients' addresses. The strict mode asks whether answers would leave by the same device, and would drop its packets.
/// The loose mode only asks whether there is a way back at all. Bulkhead's own check of pods' addresses stays.
enum SourceValidation {
    private typealias Check = PolicyRouting.SourceCheck

    /// Turns the strict mode into the loose one.
    ///
    /// - Returns: whether it was strict.
    @discardableResult static func loosen(_ link: UInt32) throws(NodeNetworkError) -> Bool {
        guard let own = setting(link), try own.read() != Int(Check.loose.rawValue) else { return false }
        // The kernel applies the higher one of the two.
        let applied = max(try own.read(), try KernelSetting("ipv4/conf/all/rp_filter").read())
        guard applied == Int(Check.strict.rawValue) else { return false }
        var routing = try PolicyRouting()
        try routing.set(.loose, of: link)
        return true
    }

    /// Gives the device the mode that new devices get. A device that is gone has none.
    static func restore(_ link: UInt32) {
        guard let own = setting(link), (try? own.read()) == Int(Check.loose.rawValue),
            let usual = try? KernelSetting("ipv4/conf/default/rp_filter").read(),
            let check = Check(rawValue: UInt32(usual)), check != .loose, var routing = try? PolicyRouting()
        else { return }
        try? routing.set(check, of: link)
    }

    /// Nil if there is no such device.
    static func name(_ link: UInt32) -> String? {
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(link, &name) != nil else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func setting(_ link: UInt32) -> KernelSetting? {
        name(link).map { KernelSetting("ipv4/conf/\($0)/rp_filter") }
    }
}
