// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import KubernetesClient
import NetworkTypes
import PolicyModel
import PolicyPipeline

/// Since when a state lasts that is normal for a moment, while a pod starts or ends.
struct Lasting<Key: Hashable & Comparable> {
    private var since: [Key: ContinuousClock.Instant] = [:]

    /// All of them, whether they have lasted or not, in order.
    var all: [Key] { since.keys.sorted() }

    /// Records what exists now.
    mutating func note(_ found: Set<Key>) {
        let now = ContinuousClock.now
        since = since.filter { found.contains($0.key) }
        for key in found where since[key] == nil { since[key] = now }
    }

    /// What has existed for this long, in order.
    func lasting(_ duration: Duration) -> [Key] {
        let now = ContinuousClock.now
        return since.filter { now - $0.value >= duration }.keys.sorted()
    }
}

/// Differences between the network and the known objects.
struct Mismatches {
    /// Pods of this node without an interface that leads to them.
    var podsWithoutInterface = Lasting<EndpointName>()
    /// Interfaces that lead to pods without a known Pod object.
    var interfacesWithoutPod = Lasting<String>()
    /// Pods whose policy cannot be enforced, by the report about each: a pod's successor under its name has another
    /// UID, and a time of its own.
    var unreachable: [ObjectReport: ContinuousClock.Instant] = [:]
}

extension Agent where Plane: ~Copyable {
    /// Compares the network with the known pods. Called whenever one of them changes, so that the duration of a
    /// difference is known, whether a client asks or not.
    func noteMismatches() {
        guard inputs.network != nil else { return }
        mismatches.podsWithoutInterface.note(
            Set(endpointsWithoutInterface.compactMap { pipeline.compiled.endpoints[$0]?.name }))
        let known = Set(knownEndpoints.flatMap(\.addresses))
        mismatches.interfacesWithoutPod.note(
            Set(podInterfaces.filter { known.isDisjoint(with: $0.value) }.keys))
    }

    /// Endpoints of which more is known than their interface.
    private var knownEndpoints: [CompiledEndpoint] {
        pipeline.compiled.endpoints.values.filter { $0.name.kind != .unknown }
    }

    /// Conditions of the node as a whole that need attention.
    func conditions() -> [StatusCondition] {
        noteMismatches()
        let unsupplied = sourceCondition()
        var found = [unsupplied]
        if phase.isClusterKnown {
            let nothing = unsupplied == nil ? nodeCondition() ?? endpointCondition() : nil
            let isPartial = unsupplied == nil && nothing == nil
            found += [nothing, isPartial ? interfaceCondition() : nil, policyCondition()]
        }
        found.append(podCondition())
        found.append(requestCondition())
        found.append(proofCondition())
        if let use = ConnectionUse(), use.isNearlyFull {
            found.append(StatusCondition(.connectionsFull, isProblem: true, use.description))
        }
        found += inputs.brokenFiles.filter(\.isThere).map {
            StatusCondition(.brokenFile, isProblem: false, $0.description)
        }
        if let problem = settings.journal?.status.problem {
            found.append(
                StatusCondition(
                    .journalOff, isProblem: false,
                    "the journal cannot be written (\(problem)): what changes now will be missing from 'bulkheadctl "
                        + "history'; it is tried again every 10 seconds"))
        }
        return found.compactMap { $0 }
    }

    private func sourceCondition() -> StatusCondition? {
        guard settings.manifestDirectory == nil, settings.guardrailDirectory == nil, settings.cluster == nil,
            inputs.store.pushed.isEmpty, inputs.resolved.endpoints.isEmpty
        else { return nil }
        return StatusCondition(
            .noSource, isProblem: true,
            "nothing is protected: bulkheadd has no source of pods and policies; start it with --in-cluster, "
                + "--kubeconfig or --manifests, or send objects with 'bulkheadctl apply'")
    }

    private func nodeCondition() -> StatusCondition? {
        let name = settings.nodeName
        guard knownEndpoints.isEmpty, pipeline.addresses(ofNode: name) == nil else { return nil }
        let nodes = pipeline.nodeNames
        guard !nodes.isEmpty else { return nil }
        return StatusCondition(
            .unknownNode, isProblem: true,
            "nothing is protected: no Node is named '\(name)', and no pod names it in spec.nodeName; the nodes are "
                + "\(Self.some(nodes)): start bulkheadd with --node-name set to this node's name there")
    }

    private func endpointCondition() -> StatusCondition? {
        guard knownEndpoints.isEmpty, settings.cluster != nil || sourceCondition() == nil else { return nil }
        let interfaces = podInterfaces.keys.sorted()
        let pods = pipeline.statistics.cluster.pods
        let node = "'\(settings.nodeName)' in spec.nodeName"
        guard !interfaces.isEmpty else {
            guard pods > 0, pipeline.addresses(ofNode: settings.nodeName) == nil else { return nil }
            return StatusCondition(
                .noEndpoints, isProblem: false,
                "\(pods == 1 ? "the only known pod does not name" : "none of the \(pods) known pods names") \(node): "
                    + "is --node-name right?")
        }
        // If a pod known to be elsewhere is here, the node name is certainly wrong.
        let isElsewhere = podInterfaces.values.joined().contains { address in
            pipeline.pod(owning: address).map { $0.kind != .unknown } ?? false
        }
        let hasLasted = !mismatches.interfacesWithoutPod.lasting(settings.interfaceGrace).isEmpty
        return StatusCondition(
            .noEndpoints, isProblem: isElsewhere || hasLasted,
            "nothing is protected: no known pod names \(node), but \(Self.count(interfaces.count, "interface")) of "
                + "this node \(interfaces.count == 1 ? "leads" : "lead") to pods (\(Self.some(interfaces))); "
                + "is --node-name right, and are this node's pods in the source?")
    }

    private func interfaceCondition() -> StatusCondition? {
        let interfaces = mismatches.interfacesWithoutPod.all
        guard !interfaces.isEmpty else { return nil }
        let (subject, verb) =
            interfaces.count == 1
            ? ("1 interface of this node leads to a pod that is", "it is")
            : ("\(interfaces.count) interfaces of this node lead to pods that are", "they are")
        return StatusCondition(
            .interfacesWithoutPod, isProblem: false,
            "\(subject) not known (\(Self.some(interfaces))): \(verb) not protected, except by guardrails that select "
                + "all pods")
    }

    private func policyCondition() -> StatusCondition? {
        guard inputs.store.countPolicies().all == 0, inputs.resolved.endpoints.isEmpty, sourceCondition() == nil else {
            return nil
        }
        return StatusCondition(
            .noPolicy, isProblem: false, "no policy is in force: every pod may send to and receive from any address")
    }

    private func podCondition() -> StatusCondition? {
        let pods = mismatches.podsWithoutInterface.all
        guard !pods.isEmpty else { return nil }
        let lasting = Set(mismatches.podsWithoutInterface.lasting(settings.interfaceGrace))
        // A pod that no policy selects loses nothing.
        let isProblem = pipeline.compiled.endpoints.values.contains { endpoint in
            lasting.contains(endpoint.name) && (endpoint.ingress != .none || endpoint.egress != .none)
        }
        return StatusCondition(
            .podsWithoutInterface, isProblem: isProblem,
            "policy may not hold for \(Self.count(pods.count, "pod")) (\(Self.some(pods.map(\.description)))): no "
                + "interface of this node leads to them, as with macvlan, ipvlan and SR-IOV, or while a pod starts")
    }

    private static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// The first of many names.
    private static func some(_ names: [String]) -> String {
        let more = names.count > 3 ? " and \(names.count - 3) more" : ""
        return names.prefix(3).joined(separator: ", ") + more
    }
}
