// SPDX-License-Identifier: Apache-2.0
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

    var inputs = AgentInputs()

    // Derived from the inputs.
    var pipeline: PolicyPipeline
    /// The addresses behind each interface that leads to a pod, known or not, as the pipeline has them.
    var podInterfaces: [String: Set<IPAddress>] = [:]
    var bridging = Bridging()
    var mismatches = Mismatches()

    // Done in the kernel.
    var phase = AgentPhase.starting
    var datapath: Plane
    var programming = Programming()
    var programmed = Programmed()
    /// What another datapath enforces until this one does.
    var replacement: Replacement

    // Counted and reported.
    var counts = PacketCounts()
    var history = PolicyHistory()
    var listeners = Listeners()

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

    /// Takes over what the kernel holds and brings it to what guardrails, manifests and kept pushes say. Call once,
    /// before anything else, with the first complete read of both directories: what is enforced stays so until then.
    /// Where an API server is followed, what a previous run left stays until all of the cluster is known; where there
    /// is nothing, guardrails and kept pushes are in force at once.
    ///
    /// - Parameter kept: nil: what ``AgentSettings/pushedFile`` holds.
    /// - Throws: ``AgentStartError`` where the kernel lacks something; nothing is changed then. A failure to write is
    ///   no error here: it is retried, and ``status()`` tells it. Neither is a kept file that cannot be used: it is set
    ///   aside.
    public func start(
        _ first: ManifestChange, guardrails: ManifestChange = ManifestChange(), kept: KeptPushes? = nil
    ) throws(AgentStartError) {
        do {
            let numbering = try datapath.open()
            pipeline = PolicyPipeline(
                nodeName: settings.nodeName, numbering: numbering, settings: settings.policy)
            if settings.cluster == nil {
                phase.move(on: .opened(.withoutCluster))
            } else {
                inputs.store.followsCluster = true
                inputs.gathering = pipeline
                // Every policy has these rules' numbers: they alone are no previous run's.
                let isBlank =
                    numbering.endpoints.isEmpty
                    && numbering.rules.values.allSatisfy { pipeline.compiled.rules[$0] != nil }
                phase.move(on: .opened(isBlank ? .cluster : .clusterAndPrevious))
            }
        } catch {
            throw .datapath(error)
        }
        inputs.attachments.records = readAttachments()
        readLocalAddresses()
        let read = take(guardrails, from: .guardrails) + take(first, from: .manifests)
        let pushed = accept(kept ?? readPushes())
        bridging.adopt()
        // One step for all, so that things get the numbers back that the kernel knows them by.
        pipeline.ingest(localAddresses: inputs.localAddresses.sorted())
        pipeline.ingest(attachments: inputs.attachments.pods)
        pipeline.ingest(read + pushed)
        ingestResolved()
        logFirst()
        if phase.keepsPrevious {
            logger.notice("what a previous run left stays in force until all of the cluster is known")
        }
        reconcile([.policy, .kernel])
        watch()
    }

    public func manifestsChanged(_ change: ManifestChange) {
        let events = take(change, from: .manifests)
        observe(events, from: settings.manifestDirectory ?? "manifests")
    }

    public func guardrailsChanged(_ change: ManifestChange) {
        let events = take(change, from: .guardrails)
        observe(events, from: settings.guardrailDirectory ?? "guardrails")
    }

    /// Puts into force what changes in force, and logs it.
    ///
    /// - Parameter source: who reported it, for the log.
    func observe(_ events: [ObjectEvent], from source: String) {
        pipeline.ingest(events)
        reconcile(.policy)
        logChanges(events, source: source)
    }

    /// Takes in what a directory holds now.
    ///
    /// - Returns: what changes in force.
    private func take(_ change: ManifestChange, from directory: ObjectStore.Directory) -> [ObjectEvent] {
        let before = Set(problems)
        let events = inputs.store.take(change.events, from: directory)
        let told = ManifestChange(problems: change.problems, notices: change.notices, warnings: change.warnings)
        let warned = Set(inputs.guardrails.warnings + inputs.manifests.warnings)
        switch directory {
        case .guardrails: inputs.guardrails = told
        case .manifests: inputs.manifests = told
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
    var problems: [Problem] { inputs.guardrails.problems + manifestProblems }

    /// What is refused of the manifests, by itself or because a guardrail stands before it.
    var manifestProblems: [Problem] {
        inputs.manifests.problems
            + inputs.store.shadowed.map { key in
                Problem(
                    file: settings.manifestDirectory, object: "\(key)", field: "",
                    reason: "overridden by the static guardrail of the same name",
                    hint: "change the guardrail, or give the object another name")
            }
    }

    public func stop() {
        endFollowing()
        listeners.pump?.cancel()
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
