// SPDX-License-Identifier: Apache-2.0
import ControlViews
import Documents
import Findings
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

extension ReportPage {
    /// What the page shows, as JSON; numbers are places in the lists.
    public var data: String {
        var lists = PageLists(posture)
        let edges = lists.edges(posture.rows)
        let codes = PostureCode.allCases
        var texts: [DocumentNode] = []
        let findings = posture.findings.map { finding -> DocumentNode in
            var fields: [(String, DocumentNode)] = [
                ("c", .number(codes.firstIndex(of: finding.code) ?? 0)),
                ("p", .number(finding.workload.map { lists.number(.workload($0)) } ?? -1)),
                ("o", .line(finding.object)), ("m", .line(finding.message)), ("x", .line(finding.fix)),
            ]
            if let place = finding.place { fields.append(("f", .line(place.text))) }
            if let text = finding.policyText {
                fields.append(("y", .number(texts.count)))
                texts.append(.string(VisibleText.escaped(text)))
            }
            return .object(fields)
        }
        return DocumentNode.object([
            ("version", .line(version)), ("counts", counts), ("notes", .array(posture.notes.map { .line($0) })),
            ("kinds", .array(codes.map(Self.kind))), ("parties", .array(lists.parties.map(party))),
            ("rank", .array(posture.workloads.map { .number(lists.number(.workload($0.key))) })),
            ("findings", .array(findings)), ("texts", .array(texts)), ("policies", .array(policies)),
            ("rules", .array(lists.rules)), ("access", .array(lists.access)), ("links", .array(lists.links)),
            ("edges", edges),
        ]).json
    }

    private var counts: DocumentNode {
        let counts = [
            (posture.workloads.count, "workloads"), (posture.podCount, "pods"),
            (posture.namespaceCount, "namespaces"), (posture.nodeCount, "nodes"),
            (posture.policies.count, "policies"),
        ]
        return .array(counts.map { .array([.number($0), .string($1)]) })
    }

    private static func kind(_ code: PostureCode) -> DocumentNode {
        let kind = code.kind
        return .object([
            ("code", .string(kind.code)), ("title", .string(kind.title)), ("severity", .string(kind.severity.rawValue)),
            ("why", .string(kind.why)),
        ])
    }

    private func party(_ party: ReachParty) -> DocumentNode {
        guard case .workload(let key) = party else {
            let name = party == .nodes ? "nodes" : "outside"
            return .array([
                .string(""), .string(name), .string(name), .number(0), .number(0), .number(0), .array([]),
            ])
        }
        let workload = ranks[key]
        let flags = (workload?.isHostNetwork ?? false ? 1 : 0) + (workload?.isStandIn ?? false ? 2 : 0)
        let gains = (workload?.gains ?? []).map { DocumentNode.array([.line($0.text), .number($0.points)]) }
        return .array([
            .line(key.namespace), .line(key.kind), .line(key.name), .number(workload?.podCount ?? 0), .number(flags),
            .number(workload?.score ?? 0), .array(gains),
        ])
    }

    private var policies: [DocumentNode] {
        posture.policies.map { object, document in
            let place = document.map { $0.file.isEmpty ? "" : "\($0.file):\($0.line)" } ?? ""
            return .array([
                .line("\(object.key)"), .line(place),
                .string(VisibleText.escaped(document?.yaml ?? object.document.yaml)),
            ])
        }
    }
}

/// The lists of the page while they are made.
struct PageLists {
    /// Workloads by name, then nodes and outside.
    let parties: [ReachParty]
    private(set) var rules: [DocumentNode] = []
    private(set) var access: [DocumentNode] = []
    private(set) var links: [DocumentNode] = []

    private var numbers: [ReachParty: Int] = [:]
    private var policies: [PolicyReference: Int] = [:]
    private var ruleNumbers: [SideAnswer: Int] = [:]
    private var accessNumbers: [[PortAccess]: Int] = [:]
    private var storageNumbers: [UInt: Int] = [:]
    private var linkNumbers: [Link: Int] = [:]

    private struct Link: Hashable {
        var access: Int
        var families: [AddressFamily]
        var prefixes: [CIDR]
        var from: ReachCount?
        var to: ReachCount?
    }

    init(_ posture: Posture) {
        parties = posture.workloads.map { .workload($0.key) }.sorted() + [.nodes, .outside]
        numbers = Dictionary(parties.enumerated().map { ($1, $0) }) { first, _ in first }
        for (index, policy) in posture.policies.enumerated() {
            policies[PolicyReference(policy.object.key)] = index
        }
    }

    func number(_ party: ReachParty) -> Int { numbers[party] ?? -1 }

    /// - Parameter last: that of the row before.
    private func number(_ party: ReachParty, near last: Int) -> Int {
        for number in [last, last + 1] where parties.indices.contains(number) && parties[number] == party {
            return number
        }
        return number(party)
    }

    /// One list for each source and link: both, then runs of destinations as the first and how many.
    mutating func edges(_ rows: [ReachRow]) -> DocumentNode {
        struct Key: Hashable {
            var from: Int
            var link: Int
        }
        var runs: [Key: [(first: Int, count: Int)]] = [:]
        var (source, destination) = (0, 0)
        // Sorted by source and destination, so that runs grow.
        for row in rows where !row.isOwnNode {
            source = number(row.from, near: source)
            destination = number(row.to, near: destination)
            Self.append(destination, &runs[Key(from: source, link: link(row)), default: []])
        }
        return .array(
            runs.sorted { ($0.key.from, $0.key.link) < ($1.key.from, $1.key.link) }.map { key, runs in
                .array(
                    [.number(key.from), .number(key.link)] + runs.flatMap { [.number($0.first), .number($0.count)] })
            })
    }

    private static func append(_ number: Int, _ runs: inout [(first: Int, count: Int)]) {
        if let last = runs.last, last.first + last.count == number {
            runs[runs.count - 1].count += 1
        } else {
            runs.append((number, 1))
        }
    }

    private mutating func link(_ row: ReachRow) -> Int {
        let link = Link(
            access: number(ofOpenPartsOf: row), families: row.families,
            prefixes: row.prefixes.isEmpty ? [] : row.prefixes.filter { $0.prefixLength > 0 }, from: row.fromPods,
            to: row.toPods)
        if let number = linkNumbers[link] { return number }
        linkNumbers[link] = links.count
        let families = row.families.reduce(0) { $0 + ($1 == .ipv4 ? 1 : 2) }
        let shown = link.prefixes.prefix(5).map(\.description).joined(separator: ", ")
        let networks = shown + (link.prefixes.count > 5 ? ", …" : "")
        let counts = [link.from?.pods, link.from?.total, link.to?.pods, link.to?.total]
        links.append(
            .array([.number(link.access), .number(families), .string(networks)] + counts.map { .number($0 ?? 0) }))
        return links.count - 1
    }

    /// Rows with one answer share its storage, which the posture keeps: it stands for the answer.
    private mutating func number(ofOpenPartsOf row: ReachRow) -> Int {
        let storage = row.access.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        if let number = storageNumbers[storage] { return number }
        let number = number(row.open)
        storageNumbers[storage] = number
        return number
    }

    private mutating func number(_ open: [PortAccess]) -> Int {
        if let number = accessNumbers[open] { return number }
        let parts = open.map { part -> DocumentNode in
            .array([
                .string(part.ports.description), .number(part.verdict == .allow ? 0 : 1),
                .number(number(part.egress, .egress)), .number(number(part.ingress, .ingress)),
            ])
        }
        accessNumbers[open] = access.count
        access.append(.array([.string(PostureChecks.words(open.map(\.ports))), .array(parts)]))
        return access.count - 1
    }

    private mutating func number(_ side: SideAnswer?, _ direction: Direction) -> Int {
        guard let side else { return -1 }
        if let number = ruleNumbers[side] { return number }
        ruleNumbers[side] = rules.count
        let used = (side.rule.policies + (side.wouldDeny?.policies ?? [])).compactMap { policies[$0] }
        rules.append(.array([.line(side.words(direction)), .array(used.map { .number($0) })]))
        return rules.count - 1
    }
}

extension SideAnswer {
    /// "egress: no policy selects the pod, allowed by default".
    fileprivate func words(_ direction: Direction) -> String {
        let audit = wouldDeny.map { " (in audit: \($0.words) would deny it)" } ?? ""
        let reason = isUnselected ? "no policy selects the pod, allowed by default" : rule.words
        return "\(direction.rawValue): \(reason)\(audit)"
    }
}

extension RuleIdentity {
    fileprivate var words: String {
        switch self {
        case .rule(let policy, _, let index, let name):
            "\(policy.kind) \(policy) rule \(index + 1)\(name.map { " '\($0)'" } ?? "")"
        case .report(let policy, _, let index): "\(policy.kind) \(policy) rule \(index + 1)"
        case .isolation(_, let policies): "isolated by \(policies.map(\.description).joined(separator: ", "))"
        case .ownNode: "the pod's own node"
        case .noPolicy: "no rule decides, allowed by default"
        case .failsafe(let text): "\(text), which no policy may deny"
        case .overLimit: "the policy exceeds the limits of the tables"
        }
    }
}

extension DocumentNode {
    fileprivate static func number(_ number: Int) -> DocumentNode { .integer(Int64(number)) }

    /// Text of one line, control characters in printed form.
    fileprivate static func line(_ text: String) -> DocumentNode { .string(VisibleText.line(text)) }
}
