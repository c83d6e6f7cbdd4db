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
        let compiled = pipeline.compiled
        return StatusAnswer(
            version: BuildVersion.text, node: settings.nodeName, pid: Int(getpid()),
            uptimeSeconds: Int((ContinuousClock.now - started) / .seconds(1)),
            datapath: DatapathStatus(
                kind: settings.datapathKind, state: programming.lastError == nil ? .programmed : .retrying,
                error: programming.lastError?.description, failures: programming.backoff.failures,
                retryInSeconds: retryIn.map { max(0, ($0 * 1000).rounded() / 1000) }, batches: programming.batches,
                lastWords: programming.last.wordsWritten, lastGracePeriods: programming.last.gracePeriods,
                lastMicroseconds: Int(programming.lastDuration / .microseconds(1))),
            manifests: ManifestStatus(
                directory: settings.manifestDirectory, objects: store.files.count, problems: manifests.problems,
                notices: manifests.notices),
            pushed: PushedStatus(objects: store.pushed.count, resolvedEndpoints: resolvedBody.endpoints.count),
            tables: TableSizes(
                endpoints: compiled.endpoints.count, rules: compiled.rules.count, programs: compiled.programs.count,
                addressClasses: compiled.addressClasses.count, portSegments: compiled.portSegments.count,
                addresses: compiled.addresses.hosts.count + compiled.addresses.prefixes.count),
            followers: followers.count)
    }

    public func endpoints() -> EndpointsAnswer {
        let endpoints = pipeline.compiled.endpoints.sorted { $0.value.name < $1.value.name }
        return EndpointsAnswer(
            endpoints: endpoints.map { id, endpoint in
                EndpointAnswer(
                    id: Int(id.rawValue), namespace: endpoint.name.namespace, name: endpoint.name.name,
                    addresses: endpoint.addresses.map(\.description), ingress: direction(endpoint.ingress),
                    egress: direction(endpoint.egress),
                    interface: interfaces[id].map { InterfaceAnswer(index: Int($0.index), name: $0.name) })
            })
    }

    private func direction(_ id: ProgramID) -> EndpointDirection {
        guard let program = pipeline.compiled.programs[id] else {
            return EndpointDirection(program: Int(id.rawValue), rules: 0, policies: [])
        }
        // A rule that matches nothing has no cell, and the isolation that decides the rest is no written rule.
        let deciders = Set(program.cells.map(\.rule)).union(program.rules.map(\.rule))
        let policies = Set(deciders.flatMap { pipeline.compiled.rules[$0]?.identity.policies ?? [] })
        return EndpointDirection(
            program: Int(id.rawValue), rules: program.rules.count,
            policies: policies.sorted().map { PolicyName($0) })
    }

    public func policies() -> PoliciesAnswer {
        var selected: [PolicyReference: Set<EndpointName>] = [:]
        for (policy, endpoints) in pipeline.policies { selected[policy, default: []].formUnion(endpoints) }
        let answers = selected.sorted { $0.key < $1.key }.map { policy, endpoints in
            PolicyAnswer(
                kind: policy.kind, namespace: policy.namespace, name: policy.name, origin: origin(of: policy),
                endpoints: endpoints.sorted().map(\.description), problems: problems(of: policy))
        }
        return PoliciesAnswer(policies: answers, problems: manifests.problems)
    }

    private func origin(of policy: PolicyReference) -> String {
        guard let key = policy.objectKey, store.files.contains(key) else { return "socket" }
        return settings.manifestDirectory ?? "manifests"
    }

    private func problems(of policy: PolicyReference) -> [Problem] {
        guard let object = policy.objectKey?.description else { return [] }
        return manifests.problems.filter { $0.stillInForce?.contains(object) ?? false }
    }

    public func counters() throws(ErrorAnswer) -> CountersAnswer {
        do {
            let rules = try datapath.ruleCounters().compactMap { id, counter in
                pipeline.compiled.rules[id].map {
                    RuleCounterAnswer(
                        id: Int(id.rawValue), rule: RuleAnswer($0.identity), packets: counter.packets,
                        bytes: counter.bytes)
                }
            }
            return CountersAnswer(
                rules: rules.sorted { ($1.packets, $0.id) < ($0.packets, $1.id) },
                datapath: DatapathCountersAnswer(try datapath.counters()))
        } catch {
            throw ErrorAnswer(.datapathFailed, "\(error)")
        }
    }

    public func dump() throws(ErrorAnswer) -> String {
        do {
            let programmed = try datapath.dump()
            return "# compiled\n\(pipeline.compiled.tableText)\n# programmed\n\(programmed)\n"
        } catch {
            throw ErrorAnswer(.datapathFailed, "\(error)")
        }
    }

    public func resolved() -> ResolvedBody { resolvedBody }
}

extension DatapathCountersAnswer {
    init(_ counters: DatapathCounters) {
        self.init(
            spoofed: counters.spoofed, unparsable: counters.unparsable, inconsistent: counters.inconsistent,
            suppressedEvents: counters.suppressedEvents, lostEvents: counters.lostEvents)
    }
}

extension RuleIdentity {
    /// The policies that the identity names.
    var policies: [PolicyReference] {
        switch self {
        case .rule(let policy, _, _, _): [policy]
        case .isolation(_, let by): by
        case .ownNode, .noPolicy, .overLimit: []
        }
    }
}

extension PolicyReference {
    /// Nil for policy that is no Kubernetes object.
    var objectKey: ObjectKey? {
        ObjectKind(rawValue: kind).map { ObjectKey(kind: $0, namespace: namespace, name: name) }
    }
}
