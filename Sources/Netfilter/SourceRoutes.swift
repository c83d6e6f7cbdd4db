// SPDX-License-Identifier: Apache-2.0

extension TableChain {
    /// The chain that applies an action to packets with a source route, and returns all others.
    ///
    /// Each byte of the options that may begin a source route counts. The kernel's own search for options does not find
    /// one that is past its first address.
    ///
    /// - Parameters:
    ///   - condition: the first terms of each rule.
    ///   - action: the last terms of each rule.
    package static func sourceRoutes(_ condition: [Term], _ action: [Term]) -> TableChain {
        TableChain(
            sourceRoutesName, comment: "LSRR and SSRR, wherever in the options",
            rules: (0..<40).map { byte in
                TableRule(condition + [.headerWords(above: UInt8(5 + byte / 4)), .sourceRouteByte(byte)] + action)
            })
    }

    package static let sourceRoutesName = "source-routes"
}
