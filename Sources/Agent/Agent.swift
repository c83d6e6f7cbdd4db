// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import ControlSocket
import Datapath
import Journal
import KubernetesObjects
import Logging
import Manifests
import NetworkTypes
import NodeNetwork
import PolicyModel
import PolicyPipeline
import PolicyResolver
import PolledThread

/// The only owner of the pipeline and of the datapath. It runs only on its ``KernelThread``; nothing else has state
/// that decides a verdict.
///
/// A change goes through pipeline and datapath in one call, so that its caller learns when it is in force. If the
/// datapath could not write something, it is not lost: the pipeline holds it, and everything is compared and written
/// again.
public actor Agent<Plane: Datapath & ~Copyable> {
    public nonisolated let thread: KernelThread
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    let settings: AgentSettings
    let logger: Logger
    let started = ContinuousClock.now
    let startedAt = RFC3339.now()

    var inputs = AgentInputs()

    // Derived from the inputs.
    var pipeline: PolicyPipeline
    /// The addresses behind each interface that leads to a pod, known or not, as in the pipeline.
    var podInterfaces: [String: Set<IPAddress>] = [:]
    var bridging = Bridging()
    var mismatches = Mismatches()

    // Done in the kernel.
    var phase = AgentPhase.starting
    var datapath: Plane
    var programming = Programming()
    var programmed = Programmed()
    var steering = Steering()
    /// What another datapath enforces until this one does.
    var replacement: Replacement

    // Counted and reported.
    var counts = PacketCounts()
    var ruleAges = RuleAges()
    var history = PolicyHistory()
    var journal = JournalNotes()
    var listeners = Listeners()
    var recording: FlowRecording
    var requests = RequestServing()
    var proving: Proving

    /// - Parameter datapath: not opened yet; ``start(_:)`` opens it.
    public init(
        settings: AgentSettings, thread: KernelThread, datapath: consuming sending Plane, logger: Logger
    ) {
        self.settings = settings
        self.thread = thread
        self.logger = logger
        self.datapath = datapath
        replacement = Replacement(remove: settings.removeOther)
        proving = Proving(settings)
        recording = FlowRecording(settings.flows)
        pipeline = PolicyPipeline(nodeName: settings.nodeName, settings: settings.policy)
    }

    /// Takes over the kernel's content and updates it to guardrails, manifests and saved pushes. Call this once, before
    /// anything else, with the first complete read of both directories: what is enforced stays so until then. With an
    /// API server, what a previous run left stays until all objects of the cluster are known; if there is nothing,
    /// guardrails and saved pushes take effect at once.
    ///
    /// - Parameter kept: nil: the content of ``AgentSettings/pushedFile``.
    /// - Throws: ``AgentStartError`` if the kernel lacks something; nothing is then changed. A failed write is not an
    ///   error here: it is retried, and ``status()`` reports it. Nor is a saved file that cannot be used: it is
    ///   renamed.
    public func start(
        _ first: ManifestChange, guardrails: ManifestChange = ManifestChange(), kept: KeptPushes? = nil
    ) throws(AgentStartError) {
        do {
            let numbering = try datapath.open()
            ruleAges.adopt(numbering)
            pipeline = PolicyPipeline(
                nodeName: settings.nodeName, numbering: numbering, settings: settings.policy)
            if settings.cluster == nil {
                phase.move(on: .opened(.withoutCluster))
            } else {
                inputs.store.followsCluster = true
                inputs.gathering = pipeline
                // Every policy has rules with these numbers, so they alone do not prove a previous run.
                let isBlank =
                    numbering.endpoints.isEmpty
                    && numbering.rules.values.allSatisfy { pipeline.compiled.rules[$0] != nil }
                phase.move(on: .opened(isBlank ? .cluster : .clusterAndPrevious))
            }
        } catch {
            throw .datapath(error)
        }
        noteInJournal(JournalEvent(takeover))
        startRecording()
        inputs.attachments.records = readAttachments()
        readLocalAddresses()
        let read = take(guardrails, from: .guardrails) + take(first, from: .manifests)
        let pushed = accept(kept ?? readPushes())
        bridging.adopt()
        adoptSteering()
        // One step for everything, so that things get the numbers that the kernel has for them.
        pipeline.ingest(localAddresses: inputs.localAddresses.sorted())
        pipeline.ingest(attachments: inputs.attachments.pods)
        pipeline.ingest(read + pushed)
        ingestResolved()
        logFirst()
        if phase.keepsPrevious {
            logger.notice("what a previous run left stays in force until all objects of the cluster are known")
        }
        reconcile([.policy, .kernel])
        if phase.isClusterKnown { beginJournal((read + pushed).compactMap(\.object)) }
        watch()
        startProving()
    }

    public func manifestsChanged(_ change: ManifestChange) {
        let events = take(change, from: .manifests)
        observe(events, from: settings.manifestDirectory ?? "manifests")
    }

    public func guardrailsChanged(_ change: ManifestChange) {
        let events = take(change, from: .guardrails)
        observe(events, from: settings.guardrailDirectory ?? "guardrails")
    }

    /// Indexes changes of what is in force, and logs them.
    ///
    /// - Parameters:
    ///   - source: who reported them, for the log.
    ///   - versions: the API server's versions of them.
    func observe(_ events: [ObjectEvent], from source: String, _ versions: [ObjectKey: ObjectVersion] = [:]) {
        journal.inputs += journalInputs(events, source: nil, reporter: source, versions)
        pipeline.ingest(events)
        reconcile(.policy)
        logChanges(events, source: source)
    }

    /// Accepts the present content of a directory.
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
            logger.error("document refused; its previous version stays in force", metadata: ["problem": "\(problem)"])
            noteInJournal(JournalEvent(.refused, subject: problem.object ?? "", "\(problem)"))
        }
        for warning in told.warnings where !warned.contains(warning) {
            logger.warning("policy not enforced", metadata: ["document": "\(warning)"])
        }
        return events
    }

    /// Everything that is refused now, in both directories.
    var problems: [Problem] { inputs.guardrails.problems + manifestProblems }

    /// What is refused in the manifests, by its content or because a guardrail overrides it.
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
        stopRecording()
        history.summary?.cancel()
        requests.stop()
        programming.stop()
        steering.deadline?.cancel()
        replacement.retry?.cancel()
        settings.journal?.stop()
        proving.task?.cancel()
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
