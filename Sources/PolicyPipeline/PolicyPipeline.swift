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
/// A step takes time proportional to what it changes. Its result depends on the events alone, never on hash seeds.
public struct PolicyPipeline: Sendable {
    public let nodeName: String
    var state: ClusterState
    var resolver: PolicyResolver
    var compiler: PolicyCompiler

    /// - Parameters:
    ///   - nodeName: the node whose pods are local.
    ///   - numbering: the numbers that a previous run left in the kernel.
    ///   - settings: what was chosen about traffic between pods and the own node.
    public init(
        nodeName: String, numbering: Numbering = Numbering(), settings: PolicySettings = PolicySettings()
    ) {
        self.nodeName = nodeName
        resolver = PolicyResolver(settings: settings)
        state = ClusterState(nodeName: nodeName)
        compiler = PolicyCompiler(numbering: numbering)
    }

    /// The tables. Reading makes no copy; a copy that is kept makes the next step copy what it changes.
    public var compiled: CompiledPolicy {
        _read { yield compiler.compiled }
    }

    /// Takes events in without compiling: for a first list that comes in pages. The next step carries them out, which
    /// also gives things the numbers of the previous run, since these are found by the final state's content.
    public mutating func ingest(_ events: [ObjectEvent]) {
        for event in events { state.index(event) }
    }

    /// Takes a batch of events in and brings the tables up to date in one pass.
    public mutating func apply(_ events: [ObjectEvent]) -> CompiledDelta {
        ingest(events)
        return compile()
    }

    /// Takes in what the node itself takes in by its local routes: its interfaces' addresses, link-local ones too, and
    /// whole prefixes. Traffic to them is traffic to the own node, whatever the Node object says. Loopback is known.
    ///
    /// A prefix wider than one address with a pod's address inside does not count.
    public mutating func apply(localAddresses: [CIDR]) -> CompiledDelta {
        ingest(localAddresses: localAddresses)
        return compile()
    }

    /// Takes the own addresses in without compiling, as ``ingest(_:)`` takes events in.
    public mutating func ingest(localAddresses: [CIDR]) {
        state.set(localAddresses: Set(localAddresses).sorted())
    }

    /// Takes in, without compiling, what the node's container runtime has reported of its pods: as ``ingest(_:)``.
    public mutating func ingest(attachments: [PodAttachment]) { state.set(attachments: attachments) }

    /// Replaces what the node's container runtime has reported of its pods, at most one attachment of a UID and of an
    /// address. Pods whose object is known have these addresses from now on, others are denied everything until it is.
    public mutating func apply(attachments: [PodAttachment]) -> CompiledDelta {
        ingest(attachments: attachments)
        return compile()
    }

    /// Takes in, without compiling, where pods are by the node's network: the addresses behind each interface that leads
    /// to a pod, known or not; as ``ingest(_:)``.
    public mutating func ingest(interfaces: [String: Set<IPAddress>]) { state.set(interfaces: interfaces) }

    /// Replaces what the node's network shows of pods. An interface to a pod that nothing else is known of is an endpoint
    /// while a policy selects all pods: such policies hold for it, and no others.
    public mutating func apply(interfaces: [String: Set<IPAddress>]) -> CompiledDelta {
        ingest(interfaces: interfaces)
        return compile()
    }

    /// Replaces all that was pushed before by `pushed`; an empty value removes it.
    ///
    /// - Throws: ``PushedPolicyError``; nothing has changed then.
    public mutating func apply(pushed: PushedPolicy) throws(PushedPolicyError) -> CompiledDelta {
        try ingest(pushed: pushed)
        return compile()
    }

    /// Takes in pushed policy without compiling, as ``ingest(_:)`` takes events in.
    ///
    /// - Throws: ``PushedPolicyError``; nothing has changed then.
    public mutating func ingest(pushed: PushedPolicy) throws(PushedPolicyError) {
        try resolver.push(pushed, over: state)
        let endpoints = pushed.endpoints.map { ($0.name, $0.addresses) }
        state.set(pushed: Dictionary(endpoints, uniquingKeysWith: { first, _ in first }))
    }

    /// Whether ``settle()`` would change anything.
    public var needsSettling: Bool { compiler.needsSettling }

    /// Merges what the last step had to leave apart while packets could still meet a program that it replaced. Every
    /// step begins with this; call it when idle, so that the tables don't stay finer than they need to be.
    public mutating func settle() -> CompiledDelta { compiler.compile(ResolvedChange()) }

    /// Forgets the numbers of the previous run; to be called once the datapath has taken over.
    public mutating func releaseNumbering() { compiler.releaseNumbering() }

    /// Brings the tables up to date with all that was taken in, in one pass.
    public mutating func compile() -> CompiledDelta {
        state.placeEndpointsWithoutObject()
        let change = resolver.resolve(state)
        state.commit()
        return compiler.compile(change)
    }
}
