// SPDX-License-Identifier: Apache-2.0
import ClusterState
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyCompiler
import PolicyModel
import PolicyResolver

/// From objects to tables for one node: index, resolve, compile, as one value without I/O.
///
/// A step takes time proportional to its changes. Its result depends only on the events, never on hash seeds.
public struct PolicyPipeline: Sendable {
    public let nodeName: String
    var state: ClusterState
    var resolver: PolicyResolver
    var compiler: PolicyCompiler

    /// - Parameters:
    ///   - nodeName: the node whose pods are local.
    ///   - numbering: the numbers that a previous run left in the kernel.
    ///   - settings: settings for traffic between pods and the own node, and for identities.
    public init(
        nodeName: String, numbering: Numbering = Numbering(), settings: PolicySettings = PolicySettings()
    ) {
        self.nodeName = nodeName
        resolver = PolicyResolver(settings: settings)
        state = ClusterState(nodeName: nodeName, mesh: settings.mesh)
        compiler = PolicyCompiler(numbering: numbering)
    }

    /// The tables. Reading makes no copy; a copy that is kept makes the next step copy what it changes.
    public var compiled: CompiledPolicy {
        _read { yield compiler.compiled }
    }

    /// Indexes events without compiling: for a first list that arrives in pages. The next step compiles them, which
    /// also gives things the numbers of the previous run, because these are found by the content of the final state.
    public mutating func ingest(_ events: [ObjectEvent]) {
        for event in events { state.index(event) }
    }

    /// Indexes a batch of events and updates the tables in one pass.
    public mutating func apply(_ events: [ObjectEvent]) -> CompiledDelta {
        ingest(events)
        return compile()
    }

    /// Indexes what the node delivers to itself by its local routes: its interfaces' addresses, link-local ones
    /// included, and whole prefixes. Traffic to them is traffic to the own node, whatever the Node object says.
    /// Loopback is known.
    ///
    /// A prefix wider than one address does not count if it contains a pod's address.
    public mutating func apply(localAddresses: [CIDR]) -> CompiledDelta {
        ingest(localAddresses: localAddresses)
        return compile()
    }

    /// Indexes the own addresses without compiling, like ``ingest(_:)``.
    public mutating func ingest(localAddresses: [CIDR]) {
        state.set(localAddresses: Set(localAddresses).sorted())
    }

    /// Indexes the container runtime's reports about this node's pods without compiling, like ``ingest(_:)``.
    public mutating func ingest(attachments: [PodAttachment]) { state.set(attachments: attachments) }

    /// Replaces the container runtime's reports about this node's pods, at most one attachment per UID and per address.
    /// Pods with a known object have these addresses from now on; others are denied everything until their object is
    /// known.
    public mutating func apply(attachments: [PodAttachment]) -> CompiledDelta {
        ingest(attachments: attachments)
        return compile()
    }

    /// Indexes the places of pods in the node's network without compiling: the addresses behind each interface that
    /// leads to a pod, known or not; like ``ingest(_:)``.
    public mutating func ingest(interfaces: [String: Set<IPAddress>]) { state.set(interfaces: interfaces) }

    /// Replaces what the node's network shows of pods. An interface that leads to an otherwise unknown pod is an
    /// endpoint while a policy selects all pods: only such policies apply to it.
    public mutating func apply(interfaces: [String: Set<IPAddress>]) -> CompiledDelta {
        ingest(interfaces: interfaces)
        return compile()
    }

    /// Replaces everything that was pushed before by `pushed`; an empty value removes it.
    ///
    /// - Throws: ``PushedPolicyError``; nothing has then changed.
    public mutating func apply(pushed: PushedPolicy) throws(PushedPolicyError) -> CompiledDelta {
        try ingest(pushed: pushed)
        return compile()
    }

    /// Indexes pushed policy without compiling, like ``ingest(_:)``.
    ///
    /// - Throws: ``PushedPolicyError``; nothing has then changed.
    public mutating func ingest(pushed: PushedPolicy) throws(PushedPolicyError) {
        try resolver.push(pushed, over: state)
        let endpoints = pushed.endpoints.map { ($0.name, $0.addresses) }
        state.set(pushed: Dictionary(endpoints, uniquingKeysWith: { first, _ in first }))
    }

    /// Whether ``settle()`` would change anything.
    public var needsSettling: Bool { compiler.needsSettling }

    /// Merges what the last step had to leave apart while packets could still meet a program that it replaced. Every
    /// step begins with this; call it when idle, so that the tables do not stay finer than needed.
    public mutating func settle() -> CompiledDelta { compiler.compile(ResolvedChange()) }

    /// Forgets the numbers of the previous run; call this once the datapath has taken over.
    public mutating func releaseNumbering() { compiler.releaseNumbering() }

    /// Updates the tables for everything that was indexed, in one pass.
    public mutating func compile() -> CompiledDelta {
        state.placeEndpointsWithoutObject()
        let change = resolver.resolve(state)
        state.commit()
        return compiler.compile(change)
    }
}
