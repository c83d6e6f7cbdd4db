// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes

/// A small table with a bit of everything that a table can hold.
enum Example {
    static let identity = TableIdentity(.inet, "bulkhead-example", comment: "An example")
    static let hook = TableChain.Hook("forward", number: 2, priority: 5)
    static let hosts: Set = [IPAddress(v4: 0x0a00_0001), IPAddress(v4: 0x0a00_0002)]
    static let addresses = TableSet(
        SetShape(name: "addresses", fields: [.source(.ipv4)], comment: "Two hosts"), .addresses(hosts))

    static func contents(_ identity: TableIdentity = identity) -> TableContents {
        var contents = TableContents(identity)
        let objects = [
            TableObject("dropped", comment: "What is dropped", mark: [1, 2, 3]),
            TableObject("often", .limit(perSecond: 5, burst: 9)),
        ]
        for object in objects { contents.objects[object.name] = object }
        for set in [addresses, pairs, ports, ranges, chains] { contents.sets[set.shape.name] = set }
        for chain in [forward, end] { contents.chains[chain.name] = chain }
        return contents
    }

    private static let one = IPAddress(v6High: 0xfd00 << 48, low: 1)
    private static let pairs = TableSet(
        SetShape(name: "pairs", fields: [.interface, .source(.ipv6)]),
        .elements([SetElement(key: [3, 0, 0, 0] + one.networkBytes)]))
    private static let ports = TableSet(
        SetShape(name: "ports", fields: [.transportProtocol, .destinationPort], isInterval: true),
        .elements([
            SetElement(key: [6, 0, 0, 0, 0, 80, 0, 0], end: [6, 0, 0, 0, 0, 80, 0, 0]),
            SetElement(key: [17, 0, 0, 0, 0, 50, 0, 0], end: [17, 0, 0, 0, 0, 60, 0, 0]),
        ]))
    private static let ranges = TableSet(
        SetShape(name: "ranges", fields: [.source(.ipv6)], isInterval: true),
        .ranges([
            AddressRange(first: one, last: one),
            AddressRange(CIDR(IPAddress(v6High: 0xfe80 << 48, low: 0), prefixLength: 10)),
        ]))
    private static let chains = TableSet(
        SetShape(name: "chains", fields: [.source(.ipv4)], isMap: true),
        .elements([SetElement(key: [10, 0, 0, 3], target: .jump("end"))]))

    private static let forward = TableChain(
        "forward", hook: hook,
        rules: [
            TableRule([.family(.ipv4), .member([.source(.ipv4)], of: "addresses"), .verdict(.go("end"))]),
            TableRule([.family(.ipv4), .dispatch([.source(.ipv4)], by: "chains")]),
            TableRule([
                .family(.ipv6), .member([.interface, .source(.ipv6)], of: "pairs", negated: true), .verdict(.drop),
            ]),
            TableRule([
                .member([.transportProtocol, .destinationPort], of: "ports"), .limit("often"), .verdict(.leave),
            ]),
        ])
    private static let end = TableChain(
        "end", comment: "The end",
        rules: [
            TableRule([.connectionState(.established), .verdict(.accept)], comment: "Allowed when it began"),
            TableRule([.count("dropped"), .verdict(.drop)]),
        ])
}
