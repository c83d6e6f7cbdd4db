// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import NetworkTypes
import PolicyModel
import Reachability

extension ReachRowAnswer {
    init(_ row: ReachRow, withDenied: Bool) {
        let access = withDenied ? row.access : row.open
        self.init(
            from: ReachPartyAnswer(row.from, row.fromPods, row.prefixes),
            to: ReachPartyAnswer(row.to, row.toPods, row.prefixes),
            families: row.families.map { $0 == .ipv4 ? "IPv4" : "IPv6" }, isOwnNode: row.isOwnNode,
            leavesOutDenied: row.leavesOutDenied,
            ports: access.map { PortAccessAnswer($0, from: row.from, to: row.to) },
            source: row.example.source.description, destination: row.example.destination.description)
    }
}

extension ReachPartyAnswer {
    init(_ party: ReachParty, _ count: ReachCount?, _ prefixes: [CIDR] = []) {
        switch party {
        case .workload(let key):
            self.init(
                kind: "workload", namespace: key.namespace, controller: key.kind, name: key.name, pods: count?.pods,
                podsInAll: count?.total)
        case .nodes: self.init(kind: "nodes")
        case .outside:
            self.init(kind: "outside", networks: prefixes.isEmpty ? nil : prefixes.map(\.description))
        }
    }

    /// "shop/web", "shop/web (2 of 3 pods)", "node", "outside", "outside (IPv4)", "outside (10.0.0.0/8)".
    var text: String {
        switch kind {
        case "workload":
            let name = "\(namespace ?? "")/\(name ?? "")"
            guard let pods, let podsInAll, pods < podsInAll else { return name }
            return "\(name) (\(pods) of \(podsInAll) pods)"
        case "outside":
            return outsideText
        default: return "node"
        }
    }

    private var outsideText: String {
        let all = [("0.0.0.0/0", "IPv4"), ("::/0", "IPv6")]
        guard let networks else { return "outside" }
        let narrow = networks.filter { network in !all.contains { $0.0 == network } }
        // A word for both families would hide that the rest of one of them is in another row, or in none.
        let rest = all.filter { networks.contains($0.0) }.map(\.1)
        if narrow.isEmpty { return rest.count == 1 ? "outside (\(rest[0]))" : "outside" }
        let others = rest.isEmpty ? "" : " and all other\(rest.count == 1 ? " \(rest[0])" : "s")"
        return "outside (\(Words.some(narrow, limit: 3))\(others))"
    }
}

extension PortAccessAnswer {
    init(_ access: PortAccess, from: ReachParty, to: ReachParty) {
        self.init(
            ports: access.ports.description, verdict: access.verdict.rawValue,
            egress: access.egress.map { DirectionAnswer($0, of: from) },
            ingress: access.ingress.map { DirectionAnswer($0, of: to) })
    }
}

extension DirectionAnswer {
    fileprivate init(_ side: SideAnswer, of party: ReachParty) {
        var endpoint = EndpointName(namespace: "", name: "node")
        if case .workload(let key) = party { endpoint = EndpointName(namespace: key.namespace, name: key.name) }
        self.init(
            verdict: side.verdict, kind: side.rule.kind.rawValue, reason: side.reason(at: endpoint),
            endpoint: endpoint, identity: side.rule, wouldDeny: side.wouldDeny)
    }
}

extension ReachFlowAnswer {
    init(_ flow: ReachFlow) {
        self.init(
            flow: flow.flow.description, from: flow.from?.description, to: flow.to?.description,
            verdict: flow.verdict.rawValue, reasons: flow.reasons)
    }

    /// "shop/web 10.0.0.1 -> outside 8.8.8.8 80/TCP is allow".
    var text: String {
        let ends = [from, to].compactMap(\.self).joined(separator: " to ")
        return "\(flow)\(ends.isEmpty ? "" : " (\(ends))"): \(verdict)"
    }
}
