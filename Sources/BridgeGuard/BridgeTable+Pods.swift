// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes

/// The part of the table that changes with the pods, and what they may send in neighbor discovery.
extension BridgeTable {
    var sets: [TableSet] {
        let pods = ports.pods
        func set(_ name: String, _ fields: [Field], _ keys: [[UInt8]]) -> TableSet {
            TableSet(SetShape(name: name, fields: fields), .elements(Set(keys.map { SetElement(key: $0) })))
        }
        let withHardware = pods.filter { $0.value.hardware != 0 }
        var sets = [
            set(Name.podPorts, [.interface], pods.keys.map(Self.key)),
            set(
                Name.hardware, [.interface, .hardwareSource],
                withHardware.map {
                    Self.key($0.key) + Self.bytes($0.value.hardware) + [0, 0]
                }),
            set(Name.anyHardware, [.interface], pods.filter { $0.value.hardware == 0 }.keys.map(Self.key)),
            set(Name.knownHardware, [.hardwareSource], ports.knownHardware.map(Self.bytes)),
            set(Name.discovery, [.icmpType], ICMPType.discovery.map { [$0] }),
        ]
        if let open = ports.open { sets.append(set(Name.open, [.interface], open.map(Self.key))) }
        let known = ports.knownAddresses
        for family in AddressFamily.allCases {
            func keys(_ port: UInt32, _ addresses: Set<IPAddress>) -> [[UInt8]] {
                addresses.filter { $0.family == family }.map { Self.key(port) + $0.networkBytes }
            }
            let fields: [Field] = [.interface, .source(family)]
            sets.append(set(Name.sources(family), fields, pods.flatMap { keys($0.key, $0.value.addresses) }))
            sets.append(set(Name.linkLocal(family), fields, pods.flatMap { keys($0.key, $0.value.linkLocal) }))
            let all = known.filter { $0.family == family }
            sets.append(
                TableSet(SetShape(name: Name.known(family), fields: [.source(family)]), .addresses(all)))
        }
        return sets + maps
    }

    /// The sets that hold an earlier run's bindings.
    var bindings: [SetShape] {
        sets.map(\.shape).filter {
            [Name.sources(.ipv4), Name.sources(.ipv6), Name.hardware].contains($0.name)
        }
    }

    private var maps: [TableSet] {
        func map(_ name: String, _ field: Field, _ chain: (UInt32) -> String, _ indices: [UInt32]) -> TableSet {
            let elements = indices.map { SetElement(key: Self.key($0), target: .jump(chain($0))) }
            return TableSet(SetShape(name: name, fields: [field], isMap: true), .elements(Set(elements)))
        }
        let all = Array(ports.pods.keys)
        let withHardware = all.filter { ports.pods[$0]!.hardware != 0 }
        return [
            map(Name.targets, .interface, Name.targets, all),
            map(Name.hardwareOptions, .interface, Name.hardware, withHardware),
        ] + (ports.areMarked ? [map(Name.marks, .interface, Name.mark, all)] : [])
    }

    /// Neighbor discovery: a pod may announce only itself. An option with a hardware address must be the only option,
    /// as every kernel writes it, so that none can hide behind another.
    var discovery: [TableChain] {
        let toTargets = Term.dispatch([.interface], by: Name.targets)
        func length(_ bytes: UInt8) -> Term { Self.equals(.payloadLength, [0, bytes]) }
        func has(_ type: UInt8, _ chain: String) -> TableRule {
            TableRule([
                Self.equals(.nextHeader, [58]), Self.equals(.icmpType, [type]), .verdict(.go(chain)),
            ])
        }
        func option(_ part: Field, _ type: UInt8) -> Term { Self.equals(part, [type, 1]) }
        let end = TableRule(Self.drop)
        return [
            TableChain(
                Name.discovery, comment: "Pods send no router advertisements and no redirects",
                rules: [
                    has(ICMPType.advertisement, Name.advertisement), has(ICMPType.solicitation, Name.solicitation),
                    has(ICMPType.routerSolicitation, Name.routerSolicitation), end,
                ]),
            TableChain(
                Name.advertisement,
                rules: [
                    TableRule([toTargets]), TableRule([length(24), .verdict(.accept)]),
                    TableRule([length(32), option(.discoveryOption, 2), .verdict(.go(Name.ownHardware))]), end,
                ]),
            TableChain(
                Name.solicitation,
                rules: [
                    TableRule([Self.isUnspecified, toTargets], comment: "Duplicate address detection"),
                    TableRule([length(24), .verdict(.accept)]),
                    TableRule([length(32), option(.discoveryOption, 1), .verdict(.go(Name.ownHardware))]),
                    TableRule([length(32), option(.discoveryOption, 14), .verdict(.accept)], comment: "Nonce"), end,
                ]),
            TableChain(
                Name.routerSolicitation,
                rules: [
                    TableRule([length(8), .verdict(.accept)]),
                    TableRule([length(16), option(.routerOption, 1), .verdict(.go(Name.ownHardware))]), end,
                ]),
            TableChain(
                Name.ownHardware,
                rules: [TableRule([.dispatch([.interface], by: Name.hardwareOptions)])]),
        ]
    }

    /// Each pod's own chains: what it may announce.
    var podChains: [TableChain] {
        ports.pods.flatMap { port, pod in
            let targets = pod.addresses.union(pod.linkLocal).filter { $0.family == .ipv6 }.sorted()
            var chains = [
                TableChain(
                    Name.targets(port),
                    rules: targets.map {
                        TableRule([Self.equals(.discoveryTarget, $0.networkBytes), .verdict(.leave)])
                    } + [TableRule(Self.drop)])
            ]
            if pod.hardware != 0 { chains.append(hardwareChain(port, Self.bytes(pod.hardware))) }
            if ports.areMarked {
                chains.append(
                    TableChain(
                        Name.mark(port), rules: [TableRule([.setMark(PortMark.of(port: port) ?? PortMark.base)])]))
            }
            return chains
        }
    }

    private func hardwareChain(_ port: UInt32, _ hardware: [UInt8]) -> TableChain {
        func rule(_ type: UInt8, _ part: Field) -> TableRule {
            TableRule([Self.equals(.icmpType, [type]), Self.equals(part, hardware), .verdict(.leave)])
        }
        return TableChain(
            Name.hardware(port),
            rules: [
                rule(ICMPType.advertisement, .discoveryHardware), rule(ICMPType.solicitation, .discoveryHardware),
                rule(ICMPType.routerSolicitation, .routerHardware), TableRule(Self.drop),
            ])
    }

    /// Frames that leave through a pod's port, but not to an address of the pod, get its mark.
    var marks: [TableChain] {
        guard ports.areMarked else { return [] }
        let toMark = Term.dispatch([.outInterface], by: Name.marks)
        let group: [UInt8] = [1, 0, 0, 0, 0, 0]
        func own(_ family: AddressFamily) -> TableRule {
            TableRule([
                family == .ipv4 ? Self.ip4 : Self.ip6,
                .member([.outInterface, .destination(family)], of: Name.sources(family)),
                .verdict(.accept),
            ])
        }
        // The receiver's policy judges these, and not that of the proxy behind the port. They keep their mark.
        let toProxy = [ports.proxy].compactMap(\.self).map { proxy in
            TableRule([
                .masked(.mark, mask: Self.key(proxy.mask), value: Self.key(proxy.mark)), .verdict(.accept),
            ])
        }
        let isMarked = Term.masked(
            .mark, mask: Self.key(PortMark.mask), value: Self.key(PortMark.base))
        return [
            TableChain(
                Name.forward, hook: .forward,
                rules: toProxy + [
                    TableRule([.masked(.hardwareDestination, mask: group, value: group), toMark]),
                    own(.ipv4), own(.ipv6), TableRule([Self.ip4, toMark]), TableRule([Self.ip6, toMark]),
                ]),
            TableChain(
                Name.forwardEnd, hook: .forwardEnd,
                rules: [TableRule([isMarked, .setMark(0)])]),
        ]
    }
}
