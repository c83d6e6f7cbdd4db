import CompiledPolicy
import ControlProtocol
import ControlSocket
import Datapath
import KubernetesObjects
import Logging
import Manifests
import NetworkTypes
import NodeNetwork
import PolicyModel
import PolicyPipeline
import PolicyResolver
// SPDX-License-Identifier: Apache-2.0
import PolledThread

/// The one owner of the pipeline and of the datapath. It runs on its ``KernelThread`` alone; nothing else has state
/// that decides a verdict.
///
/// A change goes through pipeline and datapath in one call, so that whoever made it hears when it is in force. What
/// the datapath could not write is not lost: the pipeline holds it, and the whole is compared and written again.
public actor Agent<Plane: Datapath & ~Copyable> {
    public nonisolated let thread: KernelThread
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    let settings: AgentSettings
    let logger: Logger
    let started = ContinuousClock.now

    var pipeline: PolicyPipeline
    var datapath: Plane
    var store = ObjectStore()
    var manifests = ManifestChange()
    var guardrails = ManifestChange()
    var resolvedBody = ResolvedBody(endpoints: [])
    var network: NetworkState?
    /// What this node takes in itself, as the pipeline was told.
    var localAddresses: Set<CIDR> = []
    /// What the datapath was told; nothing: not told yet, since it was programmed as a whole.
    var places: [EndpointID: EndpointPlace?] = [:]
    /// What the datapath was told of tunnels; nil: nothing, since it was programmed as a whole.
    var tunnels: ToldTunnels?
    var bridging = Bridging()
    var unknown = UnknownPods()
    var mismatches = Mismatches()
    var cluster = ClusterView()
    var attached = Attachments()
    var history = PolicyHistory()
    var counts = RuleCounts()
    /// Of the rules that deny, as they were when they were last compiled.
    var denials: [RuleIdentity: Denial] = [:]
    /// Kept files that could not be used at the start.
    var broken: [BrokenFile] = []
    var followers: Set<EventFollower> = []
    var pump: Task<Void, Never>?
    var isEnding = false
    var programming = Programming()
    var denied = PacketLedger()
    var wouldDeny = PacketLedger()
    /// What another datapath enforces until this one does.
    var replacement: Replacement

    /// - Parameter datapath: not opened yet; ``start(_:)`` does it.
    public init(
        settings: AgentSettings, thread: KernelThread, datapath: consuming sending Plane, logger: Logger
    ) {
        self.settings = settings
        self.thread = thread
        self.logger = logger
        self.datapath = datapath
        replacement = Replacement(remove: settings.removeOther)
        pipeline = PolicyPipeline(nodeName: settings.nodeName, settings: settings.policy)
    }

    /// Takes over what the kernel holds and brings it to what guardrails, manifests and kept pushes say. Call once, before
    /// anything else, with the first complete read of both directories: what is enforced stays so until then. Where an
    /// API server is followed, what a previous run left stays until all of the cluster is known; where there is
    /// nothing, guardrails and kept pushes are in force at once.
    ///
    /// - Parameter kept: nil: what ``AgentSettings/pushedFile`` holds.
    /// - Throws: ``AgentStartError`` where the kernel lacks something; nothing is changed then. A failure to write is no
    ///   error here: it is retried, and ``status()`` tells it. Neither is a kept file that cannot be used: it is set aside.
    public func start(
        _ first: ManifestChange, guardrails: ManifestChange = ManifestChange(), kept: KeptPushes? = nil
    ) throws(AgentStartError) {
        do {
            let numbering = try datapath.open()
            pipeline = PolicyPipeline(
                nodeName: settings.nodeName, numbering: numbering, settings: settings.policy)
            if settings.cluster != nil {
                store.followsCluster = true
                cluster.gathering = pipeline
                // Numbers that every policy has are no policy.
                let isBlank = numbering.rules.values.allSatisfy { pipeline.compiled.rules[$0] != nil }
                cluster.keepsPrevious = !isBlank || !numbering.endpoints.isEmpty
            }
        } catch {
            throw .datapath(error)
        }
        attached.records = readAttachments()
        let read = take(guardrails, from: .guardrails) + take(first, from: .manifests)
        let pushed = accept(kept ?? readPushes())
        bridging.adopt()
        // One step for all, so that things get the numbers back that the kernel knows them by.
        pipeline.ingest(localAddresses: readLocalAddresses())
        pipeline.ingest(attachments: attached.pods)
        pipeline.ingest(read + pushed)
        applyResolved()
        logFirst()
        if cluster.keepsPrevious {
            logger.notice("what a previous run left stays in force until all of the cluster is known")
        } else {
            // Its failure is noted and retried.
            _ = try? resyncNow()
        }
        watch()
    }

    public func manifestsChanged(_ change: ManifestChange) {
        let events = take(change, from: .manifests)
        // A failure is noted and retried.
        try? advance { $0.apply(events) }
        logChanges(events, source: settings.manifestDirectory ?? "manifests")
    }

    public func guardrailsChanged(_ change: ManifestChange) {
        let events = take(change, from: .guardrails)
        // A failure is noted and retried.
        try? advance { $0.apply(events) }
        logChanges(events, source: settings.guardrailDirectory ?? "guardrails")
    }

    /// What changes in force.
    private func take(_ change: ManifestChange, from directory: ObjectStore.Directory) -> [ObjectEvent] {
        let before = Set(problems)
        let events = store.take(change.events, from: directory)
        let told = ManifestChange(problems: change.problems, notices: change.notices, warnings: change.warnings)
        let warned = Set(guardrails.warnings + manifests.warnings)
        switch directory {
        case .guardrails: guardrails = told
        case .manifests: manifests = told
        }
        for problem in problems where !before.contains(problem) {
            logger.error("document refused; what it replaces stays in force", metadata: ["problem": "\(problem)"])
        }
        for warning in told.warnings where !warned.contains(warning) {
            logger.warning("policy not enforced", metadata: ["document": "\(warning)"])
        }
        return events
    }

    /// All that is refused now, of both directories.
    var problems: [Problem] { guardrails.problems + manifestProblems }

    /// What is refused of the manifests, by itself or because a guardrail stands before it.
    var manifestProblems: [Problem] {
        manifests.problems
            + store.shadowed.map { key in
                Problem(
                    file: settings.manifestDirectory, object: "\(key)", field: "",
                    reason: "overridden by the static guardrail of the same name",
                    hint: "change the guardrail, or give the object another name")
            }
    }

    public func stop() {
        endFollowing()
        pump?.cancel()
        history.summary?.cancel()
        programming.stop()
        replacement.retry?.cancel()
    }
}

/// Why the agent cannot start.
public enum AgentStartError: Error, CustomStringConvertible {
    case datapath(DatapathError)

    public var description: String {
        switch self {
        case .datapath(let error): "\(error)"
        }
    }
}
