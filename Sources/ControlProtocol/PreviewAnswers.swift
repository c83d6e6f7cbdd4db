// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// Answer of `bulkheadctl preview` for two clusters: what would change.
public struct PreviewAnswer: Codable, Sendable, Hashable {
    /// A verdict differs, or a pod is in only one of the two.
    public var changed: Bool
    /// One for each pair of parties, verdicts and deciding rules.
    public var changes: [PreviewChange]
    /// Changes that were found beyond the limit and are not in `changes`.
    public var leftOut: Int
    /// Pods that only the cluster before the change has, as `namespace/name`. Flows with them are not compared.
    public var onlyOld: [String]
    /// Pods that only the cluster after the change has.
    public var onlyNew: [String]

    public init(changes: [PreviewChange], leftOut: Int, onlyOld: [String], onlyNew: [String]) {
        changed = !changes.isEmpty || !onlyOld.isEmpty || !onlyNew.isEmpty
        self.changes = changes
        self.leftOut = leftOut
        self.onlyOld = onlyOld
        self.onlyNew = onlyNew
    }
}

/// What a change does to flows.
public enum PreviewEffect: String, Codable, Sendable, CaseIterable {
    /// More is allowed: all of it, or some HTTP requests.
    case opened
    /// Less is allowed.
    case cut
    /// HTTP requests are judged by other rules: some may be allowed that were denied, and others denied.
    case changed

    public init(_ old: Verdict, _ new: Verdict) {
        switch (old, new) {
        case (.deny, _), (_, .allow): self = .opened
        case (.allow, _), (_, .deny): self = .cut
        default: self = .changed
        }
    }
}

/// Flows whose verdict changes.
public struct PreviewChange: Codable, Sendable, Hashable {
    public var effect: PreviewEffect
    public var from: PreviewParty
    public var to: PreviewParty
    /// `6379/TCP`, `1-1023/UDP`, `every TCP port` or `other protocols`; in order.
    public var ports: [String]
    /// `allow`, `deny` or `depends` (on the request).
    public var old: String
    public var new: String
    /// True if both depend on the request, by rules that differ, and no request was found for which the answers do.
    /// Otherwise nil.
    public var mayBeEqual: Bool?
    /// One of the flows: `source -> destination port/protocol`.
    public var example: String
    /// What decides about the example after the change; nil for a side that no pod's policies decide.
    public var egress: DirectionAnswer?
    public var ingress: DirectionAnswer?

    public init(
        from: PreviewParty, to: PreviewParty, ports: [String], old: Verdict, new: Verdict, mayBeEqual: Bool,
        example: String, egress: DirectionAnswer?, ingress: DirectionAnswer?
    ) {
        effect = PreviewEffect(old, new)
        self.from = from
        self.to = to
        self.ports = ports
        self.old = old.rawValue
        self.new = new.rawValue
        self.mayBeEqual = mayBeEqual ? true : nil
        self.example = example
        self.egress = egress
        self.ingress = ingress
    }
}

/// One end of a change.
public struct PreviewParty: Codable, Sendable, Hashable {
    /// Names and networks that are listed at most.
    public static let limit = 20

    /// Workloads or pods as `namespace/name`, `node NAME`, and `node` for all nodes; the first of `count`.
    public var names: [String]
    public var count: Int
    /// Addresses and prefixes that no pod and no node has, each without the longer ones that policies name; the first of
    /// `networkCount`. `0.0.0.0/0` and `::/0` are all that no policy names.
    public var networks: [String]
    public var networkCount: Int

    public init(names: [String], networks: [String] = []) {
        self.names = Array(names.prefix(Self.limit))
        count = names.count
        self.networks = Array(networks.prefix(Self.limit))
        networkCount = networks.count
    }
}

/// Answer of `POST /v1/preview`: what these objects, applied on this node, would change. Nothing has changed.
public struct NodePreviewAnswer: Codable, Sendable, Hashable {
    /// Changes and flows of each kind that are listed at most.
    public static let limit = 200

    public var node: String
    /// Objects that would be new, as `Kind namespace/name`, in order; those that would replace another version, those
    /// that would go, and those that are the same now.
    public var added: [String]
    public var changed: [String]
    public var deleted: [String]
    public var unchanged: [String]
    /// Flows of this node's pods whose verdict here would differ. The node of a pod elsewhere decides about its side.
    public var changes: [PreviewChange]
    /// Connections, tracked by the kernel now, that would be cut: the most frequent first.
    public var connections: [PreviewedFlow]
    /// Flows that this node denied, as far as it still has them on record, and that would be allowed here.
    public var opened: [PreviewedFlow]
    /// Flows that this node allowed, as far as it still has them on record, and that would be denied.
    public var denied: [PreviewedFlow]
    /// How many entries of `changes`, `connections`, `opened` and `denied` are not listed, by these names.
    public var leftOut: [String: Int]
    /// Pods of this node that would come and go. Flows with them are not compared.
    public var newPods: [String]
    public var lostPods: [String]
    /// What else to know: what could not be found out, and objects without effect.
    public var notes: [String]

    public init(node: String) {
        self.node = node
        added = []
        changed = []
        deleted = []
        unchanged = []
        changes = []
        connections = []
        opened = []
        denied = []
        leftOut = [:]
        newPods = []
        lostPods = []
        notes = []
    }

    /// Whether a verdict would differ, or a pod would come or go.
    public var isChange: Bool { !changes.isEmpty || !newPods.isEmpty || !lostPods.isEmpty }
}

/// Packets or connections between the same ends.
public struct PreviewedFlow: Codable, Sendable, Hashable {
    /// Without the source's port.
    public var source: EventEnd
    public var destination: EventEnd
    /// `TCP`, `UDP`, …, or the number.
    public var `protocol`: String
    /// Connections, or packets on record.
    public var count: Int
    /// When the newest was recorded (RFC 3339, UTC, milliseconds). Nil for connections.
    public var last: String?
    /// The verdict after the change: `allow`, `deny` or `depends` (on the request).
    public var verdict: String
    /// What decides after the change; nil for a side that no pod of this node has.
    public var egress: DirectionAnswer?
    public var ingress: DirectionAnswer?

    public init(
        source: EventEnd, destination: EventEnd, protocol: String, count: Int, last: String?, verdict: Verdict,
        egress: DirectionAnswer?, ingress: DirectionAnswer?
    ) {
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.count = count
        self.last = last
        self.verdict = verdict.rawValue
        self.egress = egress
        self.ingress = ingress
    }
}
