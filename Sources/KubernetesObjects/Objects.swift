// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// metav1.ObjectMeta, the part that policy needs.
public struct ObjectMeta: Sendable, Hashable {
    public var name: String
    /// Empty for cluster-wide kinds.
    public var namespace: String
    public var uid: String
    public var labels: [String: String]
    /// metadata.creationTimestamp in seconds since 1970; 0 if absent. Of two pods that claim one address, the younger
    /// one owns it (equal: the greater namespace/name).
    public var createdAt: Int64
    public init(
        name: String, namespace: String = "", uid: String = "", labels: [String: String] = [:], createdAt: Int64 = 0
    ) {
        self.name = name
        self.namespace = namespace
        self.uid = uid
        self.labels = labels
        self.createdAt = createdAt
    }
}

/// core/v1 ContainerPort with a name; policy ignores ports without one.
public struct NamedPort: Sendable, Hashable, Comparable {
    public var name: String
    public var ipProtocol: IPProtocol
    public var number: UInt16
    public init(name: String, ipProtocol: IPProtocol = .tcp, number: UInt16) {
        self.name = name
        self.ipProtocol = ipProtocol
        self.number = number
    }
    public static func < (a: Self, b: Self) -> Bool {
        (a.name, a.ipProtocol, a.number) < (b.name, b.ipProtocol, b.number)
    }
}

/// core/v1 PodPhase.
public enum PodPhase: String, Sendable, Hashable {
    case pending = "Pending"
    case running = "Running"
    case succeeded = "Succeeded"
    case failed = "Failed"
    case unknown = "Unknown"
}

/// core/v1 Pod.
public struct Pod: Sendable, Hashable {
    public var metadata: ObjectMeta
    /// spec.nodeName; empty: not scheduled.
    public var nodeName: String
    /// spec.serviceAccountName; ``defaultServiceAccount`` where the object names none.
    public var serviceAccountName: String
    public var hostNetwork: Bool
    /// Of containers, and of init containers that always restart (sidecars); sorted, without duplicates.
    public var namedPorts: [NamedPort]
    public var phase: PodPhase
    /// status.podIPs, or status.podIP alone; in written order.
    public var podIPs: [IPAddress]
    /// status.hostIPs, or status.hostIP alone.
    public var hostIPs: [IPAddress]
    /// For the mirror pod that a kubelet creates for a static pod: the static pod's UID, by which the node's container
    /// runtime knows it, and which differs from the object's own (the annotation ``mirrorAnnotation``, which Kubernetes
    /// makes immutable). Empty for all others.
    public var staticUID: String

    /// The annotation by which a kubelet marks mirrors of static pods (`MirrorPodAnnotationKey` of k8s.io/api/core/v1).
    public static let mirrorAnnotation: StaticString = "kubernetes.io/config.mirror"

    /// The service account of pods that name none.
    public static let defaultServiceAccount = "default"

    public init(
        metadata: ObjectMeta, nodeName: String = "", serviceAccountName: String = Pod.defaultServiceAccount,
        hostNetwork: Bool = false, namedPorts: [NamedPort] = [], phase: PodPhase = .running,
        podIPs: [IPAddress] = [], hostIPs: [IPAddress] = [], staticUID: String = ""
    ) {
        self.metadata = metadata
        self.nodeName = nodeName
        self.serviceAccountName = serviceAccountName
        self.hostNetwork = hostNetwork
        self.namedPorts = namedPorts
        self.phase = phase
        self.podIPs = podIPs
        self.hostIPs = hostIPs
        self.staticUID = staticUID
    }
}

extension Pod {
    /// It has ended for good: its addresses are no longer its own, and may be another pod's.
    public var isFinished: Bool { phase == .succeeded || phase == .failed }
}

/// core/v1 Namespace. The API server always sets the label kubernetes.io/metadata.name; decoding does so too.
public struct Namespace: Sendable, Hashable {
    public var metadata: ObjectMeta
    public init(metadata: ObjectMeta) { self.metadata = metadata }

    /// The label by which selectors can name a namespace.
    public static let nameLabel = "kubernetes.io/metadata.name"
}

/// core/v1 Node.
public struct Node: Sendable, Hashable {
    public var metadata: ObjectMeta
    /// status.addresses of type InternalIP and ExternalIP.
    public var addresses: [IPAddress]
    public init(metadata: ObjectMeta, addresses: [IPAddress] = []) {
        self.metadata = metadata
        self.addresses = addresses
    }
}

/// networking.k8s.io/v1 NetworkPolicy.
public struct NetworkPolicy: Sendable, Hashable {
    public var metadata: ObjectMeta
    public var podSelector: LabelSelector
    /// With the API server's default filled in.
    public var policyTypes: Set<PolicyType>
    public var ingress: [NetworkPolicyRule]
    public var egress: [NetworkPolicyRule]
    public var enforcement: Enforcement
    /// The parts that were not understood, as sentences with the field's path; from a newer API server. They are
    /// already closed: their rules are left out, and the directions that they might name are in `policyTypes`.
    public var unknown: [String]
    public init(
        metadata: ObjectMeta, podSelector: LabelSelector = LabelSelector(), policyTypes: Set<PolicyType>,
        ingress: [NetworkPolicyRule] = [], egress: [NetworkPolicyRule] = [], enforcement: Enforcement = .enforce,
        unknown: [String] = []
    ) {
        self.metadata = metadata
        self.podSelector = podSelector
        self.policyTypes = policyTypes
        self.ingress = ingress
        self.egress = egress
        self.enforcement = enforcement
        self.unknown = unknown
    }
}

/// networking.k8s.io/v1 PolicyType.
public enum PolicyType: String, Sendable, Hashable {
    case ingress = "Ingress"
    case egress = "Egress"
}

/// networking.k8s.io/v1 NetworkPolicyIngressRule or NetworkPolicyEgressRule: `peers` is `from` or `to`.
public struct NetworkPolicyRule: Sendable, Hashable {
    /// Empty: every peer.
    public var peers: [NetworkPolicyPeer]
    /// Empty: every port of every protocol.
    public var ports: [NetworkPolicyPort]
    public init(peers: [NetworkPolicyPeer] = [], ports: [NetworkPolicyPort] = []) {
        self.peers = peers
        self.ports = ports
    }
}

/// networking.k8s.io/v1 NetworkPolicyPeer.
public enum NetworkPolicyPeer: Sendable, Hashable {
    /// At least one is not nil. `namespaces` nil: the policy's own namespace; `pods` nil: all pods.
    case pods(namespaces: LabelSelector?, pods: LabelSelector?)
    case ipBlock(cidr: CIDR, except: [CIDR])
}

/// networking.k8s.io/v1 NetworkPolicyPort.
public struct NetworkPolicyPort: Sendable, Hashable {
    public enum Port: Sendable, Hashable {
        /// Every port of the protocol.
        case any
        case range(PortRange)
        case named(String)
    }
    public var ipProtocol: IPProtocol
    public var port: Port
    public init(ipProtocol: IPProtocol = .tcp, port: Port = .any) {
        self.ipProtocol = ipProtocol
        self.port = port
    }
}

/// Kind, namespace and name: the identity of an object in the API server.
public struct ObjectKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var kind: ObjectKind
    public var namespace: String
    public var name: String
    public init(kind: ObjectKind, namespace: String, name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }
    public var description: String {
        "\(kind.rawValue) \(namespace.isEmpty ? name : "\(namespace)/\(name)")"
    }

    /// By the kind's name, then by namespace and name.
    public static func < (a: Self, b: Self) -> Bool {
        if a.kind.place != b.kind.place { return a.kind.place < b.kind.place }
        return a.namespace == b.namespace ? a.name < b.name : a.namespace < b.namespace
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.kind.place == b.kind.place && a.name == b.name && a.namespace == b.namespace
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(kind.place)
        hasher.combine(namespace)
        hasher.combine(name)
    }
}

/// The kinds that Bulkhead reads.
public enum ObjectKind: String, Sendable, Hashable, CaseIterable {
    case pod = "Pod"
    case namespace = "Namespace"
    case node = "Node"
    case networkPolicy = "NetworkPolicy"
    case clusterNetworkPolicy = "ClusterNetworkPolicy"
    case adminNetworkPolicy = "AdminNetworkPolicy"
    case baselineAdminNetworkPolicy = "BaselineAdminNetworkPolicy"
    case authorizationPolicy = "AuthorizationPolicy"

    /// The version that Bulkhead writes, and reads if a server has it.
    public var apiVersion: String {
        switch self {
        case .pod, .namespace, .node: "v1"
        case .networkPolicy: "networking.k8s.io/v1"
        case .clusterNetworkPolicy: "policy.networking.k8s.io/v1alpha2"
        case .adminNetworkPolicy, .baselineAdminNetworkPolicy: "policy.networking.k8s.io/v1alpha1"
        case .authorizationPolicy: "security.istio.io/v1"
        }
    }

    /// All versions that Bulkhead reads, the preferred one first. Their objects have one form.
    public var apiVersions: [String] {
        self == .authorizationPolicy ? [apiVersion, "security.istio.io/v1beta1"] : [apiVersion]
    }

    /// In the order of the names: a number is compared and hashed faster than a name.
    var place: UInt8 {
        switch self {
        case .adminNetworkPolicy: 0
        case .authorizationPolicy: 1
        case .baselineAdminNetworkPolicy: 2
        case .clusterNetworkPolicy: 3
        case .namespace: 4
        case .networkPolicy: 5
        case .node: 6
        case .pod: 7
        }
    }

    var withArticle: String {
        switch self {
        case .adminNetworkPolicy, .authorizationPolicy: "an \(rawValue)"
        default: "a \(rawValue)"
        }
    }
}

/// One decoded, valid object. Large ones are boxed: an object is passed on many times before its content is used.
public enum KubernetesObject: Sendable, Hashable {
    indirect case pod(Pod)
    case namespace(Namespace)
    case node(Node)
    indirect case networkPolicy(NetworkPolicy)
    indirect case tierPolicy(TierPolicy)
    indirect case authorizationPolicy(AuthorizationPolicy)

    public var metadata: ObjectMeta {
        get {
            switch self {
            case .pod(let object): object.metadata
            case .namespace(let object): object.metadata
            case .node(let object): object.metadata
            case .networkPolicy(let object): object.metadata
            case .tierPolicy(let object): object.metadata
            case .authorizationPolicy(let object): object.metadata
            }
        }
        set { self = with(newValue) }
    }

    private func with(_ metadata: ObjectMeta) -> KubernetesObject {
        func changed<T>(_ object: T, _ field: WritableKeyPath<T, ObjectMeta>) -> T {
            var object = object
            object[keyPath: field] = metadata
            return object
        }
        return switch self {
        case .pod(let object): .pod(changed(object, \.metadata))
        case .namespace(let object): .namespace(changed(object, \.metadata))
        case .node(let object): .node(changed(object, \.metadata))
        case .networkPolicy(let object): .networkPolicy(changed(object, \.metadata))
        case .tierPolicy(let object): .tierPolicy(changed(object, \.metadata))
        case .authorizationPolicy(let object): .authorizationPolicy(changed(object, \.metadata))
        }
    }

    public var kind: ObjectKind {
        switch self {
        case .pod: .pod
        case .namespace: .namespace
        case .node: .node
        case .networkPolicy: .networkPolicy
        case .tierPolicy(let object): object.kind.objectKind
        case .authorizationPolicy: .authorizationPolicy
        }
    }

    public var key: ObjectKey {
        ObjectKey(kind: kind, namespace: metadata.namespace, name: metadata.name)
    }
}

/// What happened to an object.
public enum ObjectEvent: Sendable, Hashable {
    /// Added, or replaced as a whole.
    case set(KubernetesObject)
    case removed(ObjectKey)

    public var key: ObjectKey {
        switch self {
        case .set(let object): object.key
        case .removed(let key): key
        }
    }
}
