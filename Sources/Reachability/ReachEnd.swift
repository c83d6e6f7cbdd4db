// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// One end of a question about reachability: some of all addresses.
public enum ReachEnd: Sendable, Hashable {
    /// The pods of a workload, or one pod, by namespace and name.
    case named(namespace: String, name: String)
    /// Pods by their labels; nil: of all namespaces. Pods with their node's network count by their labels as well.
    case pods(namespace: String?, LabelSelector)
    /// Every address of a prefix: of pods, of nodes and all others.
    case network(CIDR)
    /// Every address that no pod and no node has.
    case outside
    /// The addresses of nodes.
    case nodes
    /// Every address.
    case anywhere
}

/// A workload by its kind and name, as rows of an answer name it.
public struct WorkloadKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var namespace: String
    /// "Deployment", "Pod" for a pod without an owner.
    public var kind: String
    public var name: String

    public init(namespace: String, kind: String, name: String) {
        self.namespace = namespace
        self.kind = kind
        self.name = name
    }

    public static func < (a: Self, b: Self) -> Bool {
        (a.namespace, a.name, a.kind) < (b.namespace, b.name, b.kind)
    }

    public var description: String { "\(namespace)/\(name)" }
}

/// Whom a row of an answer is about.
public enum ReachParty: Sendable, Hashable, Comparable {
    case workload(WorkloadKey)
    /// Nodes, as one.
    case nodes
    /// Addresses that no pod and no node has.
    case outside

    public static func < (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.workload(let a), .workload(let b)): a < b
        default: a.order < b.order
        }
    }

    private var order: Int {
        switch self {
        case .workload: 0
        case .nodes: 1
        case .outside: 2
        }
    }
}

/// Why a question has no answer.
public enum ReachabilityError: Error, Sendable, Hashable, CustomStringConvertible {
    /// An end that selects no pod: a typing error rather than an empty answer.
    case noSuchEnd(ReachEnd)
    /// The policy of one direction of a pod has more distinct rows than tables have room for.
    case overLimit(EndpointName, Direction)
    /// There are more addresses and prefixes than numbers for their classes.
    case tooManyAddresses(Int)
    /// A Pod that owns no address of its own: not running, finished, or its addresses belong to younger pods.
    case withoutAddress(EndpointName)
    /// Policy judges the pods behind a Service, never its own address.
    case serviceAddress(IPAddress, of: EndpointName)

    public var description: String {
        switch self {
        case .noSuchEnd(let end): "no pod and no workload with an address matches \(end)"
        case .overLimit(let pod, let direction):
            "the \(direction.rawValue) policy of \(pod) exceeds the limits of the tables"
        case .tooManyAddresses(let count): "\(count) addresses and prefixes are more than the classes have numbers for"
        case .withoutAddress(let pod): "pod \(pod) has no address of its own"
        case .serviceAddress(let address, let service): "\(address) is Service \(service): name its workload"
        }
    }
}

extension ReachEnd: CustomStringConvertible {
    public var description: String {
        switch self {
        case .named(let namespace, let name): return "\(namespace)/\(name)"
        case .pods(let namespace, let selector):
            return "\(namespace ?? "*")/\(selector.text)"
        case .network(let prefix): return prefix.isHost ? "\(prefix.network)" : "\(prefix)"
        case .outside: return "outside"
        case .nodes: return "node"
        case .anywhere: return "anywhere"
        }
    }
}

extension LabelSelector {
    fileprivate var text: String {
        var parts = matchLabels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        for requirement in matchExpressions {
            let values = requirement.values.joined(separator: ",")
            switch requirement.operator {
            case .in: parts.append("\(requirement.key) in (\(values))")
            case .notIn: parts.append("\(requirement.key) notin (\(values))")
            case .exists: parts.append(requirement.key)
            case .doesNotExist: parts.append("!\(requirement.key)")
            }
        }
        return parts.isEmpty ? "*" : parts.joined(separator: ",")
    }
}
