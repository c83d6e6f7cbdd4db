// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import Glibc
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    public func status() -> StatusAnswer {
        let retryIn = programming.retryAt.map { ($0 - .now) / .seconds(1) }
        return StatusAnswer(
            version: BuildVersion.text, node: settings.nodeName, pid: Int(getpid()),
            uptimeSeconds: Int((ContinuousClock.now - started) / .seconds(1)),
            datapath: DatapathStatus(
                kind: settings.datapathKind, reason: settings.datapathReason,
                state: phase.error == nil ? .programmed : .retrying,
                error: phase.error?.description, failures: programming.backoff.failures,
                retryInSeconds: retryIn.map { max(0, ($0 * 1000).rounded() / 1000) }, batches: programming.batches,
                lastWords: programming.last.wordsWritten, lastGracePeriods: programming.last.gracePeriods,
                lastMicroseconds: Int(programming.lastDuration / .microseconds(1)), repaired: programming.repaired,
                notReplaced: replacement.lastError),
            manifests: ManifestStatus(
                directory: settings.manifestDirectory, objects: inputs.store.files.count, problems: manifestProblems,
                notices: inputs.manifests.notices, warnings: inputs.manifests.warnings),
            guardrails: settings.guardrailDirectory.map { directory in
                ManifestStatus(
                    directory: directory, objects: inputs.store.guardrails.count, problems: inputs.guardrails.problems,
                    notices: inputs.guardrails.notices, warnings: inputs.guardrails.warnings)
            },
            policies: policyStatus(),
            pushed: PushedStatus(
                objects: inputs.store.pushed.count, resolvedEndpoints: inputs.resolved.endpoints.count),
            tables: TableSizes(pipeline.statistics),
            limits: LimitStatus(
                unprotected: pipeline.endpointsOverLimit.map(\.description),
                deniedPrograms: pipeline.statistics.programsOverLimit),
            followers: listeners.count, bridges: bridgeStatus(), tunnels: tunnelStatus(),
            cluster: clusterStatus(),
            attachments: attachmentStatus(), plugin: settings.pluginStatus?(), requests: requestStatus(),
            flows: flowStatus(), problems: health().problems,
            conditions: conditions())
    }

    public func endpoints() -> EndpointsAnswer {
        let ids = Dictionary(uniqueKeysWithValues: pipeline.compiled.endpoints.map { ($0.value.name, $0.key) })
        let answers = pipeline.localEndpoints.compactMap { summary -> EndpointAnswer? in
            // An endpoint over the limit of the tables has no number; status() reports it.
            guard let id = ids[summary.name], let endpoint = pipeline.compiled.endpoints[id] else { return nil }
            return EndpointAnswer(
                id: Int(id.rawValue), namespace: summary.name.shownNamespace, name: summary.name.shownName,
                addresses: summary.addresses.map(\.description),
                ingress: direction(endpoint.ingress, summary.ingressPolicies),
                egress: direction(endpoint.egress, summary.egressPolicies),
                interface: interface(of: id),
                bridgePort: bridging.found[id]?.port.map {
                    InterfaceAnswer(index: Int($0.port.index), name: $0.port.name)
                },
                unknown: summary.name.kind == .unknown ? true : nil,
                held: summary.name.kind == .held ? true : nil,
                requestPorts: requestPorts(of: endpoint.ingress))
        }
        return EndpointsAnswer(endpoints: answers)
    }

    private func direction(_ id: ProgramID, _ policies: [PolicyReference]) -> EndpointDirection {
        EndpointDirection(
            program: Int(id.rawValue), rules: pipeline.compiled.programs[id]?.rules.count ?? 0,
            policies: policies.map { PolicyName($0) })
    }

    public func counters() throws(ErrorAnswer) -> CountersAnswer {
        do {
            counts.take(try datapath.ruleCounters())
            let present = pipeline.compiled.rules.map { id, rule in
                answer(rule.identity, id: Int(id.rawValue), counts.rules[rule.identity])
            }
            let gone = counts.rules.goneRules.map { rule, counter in
                answer(rule, id: 0, counter, isGone: true)
            }
            let rules = present + gone
            return CountersAnswer(
                rules: rules.sorted { ($1.packets, $0.id) < ($0.packets, $1.id) },
                datapath: DatapathCountersAnswer(try datapath.counters()), requests: requestCounters())
        } catch {
            throw ErrorAnswer(.datapathFailed, "\(error)")
        }
    }

    private func answer(
        _ identity: RuleIdentity, id: Int, _ counter: RuleCounter, isGone: Bool = false
    ) -> RuleCounterAnswer {
        var rule = RuleAnswer(identity)
        // A counter that does not belong to one policy has one number for both directions.
        if rule.kind != .rule, rule.kind != .isolation { rule.direction = nil }
        return RuleCounterAnswer(
            id: id, rule: rule, audit: isAudit(identity) ? true : nil, packets: counter.packets, bytes: counter.bytes,
            gone: isGone ? true : nil)
    }

    public func dump() throws(ErrorAnswer) -> String {
        do {
            let programmed = try datapath.dump()
            return "# compiled\n\(pipeline.compiled.description)\n# programmed\n\(programmed)\n"
        } catch {
            throw ErrorAnswer(.datapathFailed, "\(error)")
        }
    }

    public func resolved() -> ResolvedBody { inputs.resolved }
}

extension TableSizes {
    init(_ statistics: PipelineStatistics) {
        self.init(
            endpoints: statistics.localEndpoints, rules: statistics.rules, programs: statistics.programs,
            peerSets: statistics.peerSets, addressClasses: statistics.addressClasses,
            portClasses: statistics.portClasses, addresses: statistics.addressEntries, cells: statistics.cells)
    }
}

extension DatapathCountersAnswer {
    init(_ counters: DatapathCounters) {
        self.init(
            spoofed: counters.spoofed, unparsable: counters.unparsable, inconsistent: counters.inconsistent,
            tunnel: counters.tunnel, sourceRouted: counters.sourceRouted, unrelatedErrors: counters.unrelatedErrors,
            malformed: counters.malformed, handOver: counters.handOver, audited: counters.audited,
            suppressedEvents: counters.suppressedEvents,
            lostEvents: counters.lostEvents, flowsLeftOut: counters.flowsLeftOut, flowsLost: counters.flowsLost)
    }
}

extension PolicyReference {
    /// Nil for policy that is not a Kubernetes object.
    var objectKey: ObjectKey? {
        ObjectKind(rawValue: kind).map { ObjectKey(kind: $0, namespace: namespace, name: name) }
    }
}
