// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import ClusterVerdicts
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// What became of a case.
public struct PolicyTestResult: Sendable, Hashable {
    /// The kinds of results.
    public enum Outcome: Sendable, Hashable {
        case passed
        /// The cluster behaves in another way than expected.
        case failed
        /// It says nothing about this cluster, for example because there is no such pod. Never a pass.
        case error
    }
    public var test: PolicyTestCase
    public var outcome: Outcome
    /// Of a failure: what was found, and what decided. Empty if it passed.
    public var reasons: [String]
}

/// Runs the cases of a file against a cluster. Compiles what the cases need, once.
public struct PolicyTestRun: Sendable {
    /// The most flows of one case with a request or a rule, of which each is judged by itself.
    public static let flowLimit = 10_000

    private let inventory: ClusterInventory
    private var reach: ReachabilityMap?
    private var verdicts: ClusterVerdict?
    private let services: [IPAddress: EndpointName]
    private var members: [EndpointName: [EndpointName]] = [:]

    /// - Parameter inventory: the manifests and objects of the file, and what else belongs to the cluster.
    public init(_ inventory: ClusterInventory) {
        self.inventory = inventory
        services = inventory.serviceOfAddress
        let finished = Set(inventory.objects.lazy.compactMap(Self.finishedPod))
        for workload in inventory.workloads {
            let name = EndpointName(namespace: workload.name.namespace, name: workload.name.name)
            members[name, default: []] += workload.pods.filter { !finished.contains($0) }
        }
        for workload in inventory.workloads {
            let name = EndpointName(namespace: workload.name.namespace, name: workload.name.name)
            // A finished pod has no address and no flows. Where nothing else is left, the verdict says so.
            if members[name] == [] { members[name] = workload.pods }
            for pod in workload.pods where members[pod] == nil { members[pod] = [pod] }
        }
    }

    private static func finishedPod(_ object: KubernetesObject) -> EndpointName? {
        guard case .pod(let pod) = object, pod.isFinished else { return nil }
        return EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
    }

    /// What becomes of a case.
    public mutating func run(_ test: PolicyTestCase) -> PolicyTestResult {
        do {
            // A request makes of "depends" a verdict; all others are decided by classes, for every flow at once.
            var reasons = test.request == nil ? try prove(test) : []
            if reasons.isEmpty, test.request != nil || test.rule != nil { reasons = try judge(test) }
            return PolicyTestResult(test: test, outcome: reasons.isEmpty ? .passed : .failed, reasons: reasons)
        } catch let error as PolicyTestError {
            return PolicyTestResult(test: test, outcome: .error, reasons: [error.description])
        } catch {
            return PolicyTestResult(test: test, outcome: .error, reasons: ["\(error)"])
        }
    }

    /// Why the claim does not hold; empty if it does.
    private mutating func prove(_ test: PolicyTestCase) throws -> [String] {
        var map = try reach ?? ReachabilityMap(inventory)
        defer { reach = map }
        for from in test.from {
            for to in test.to {
                let claim = ReachClaim(test.expected, from: from, to: to, ports: test.ports)
                switch try map.prove(claim) {
                case .proven: continue
                case .empty:
                    throw PolicyTestError("no flow from \(from) to \(to) is judged by policy: the test says nothing")
                case .counterexample(let found):
                    let hint = found.verdict == .dependsOnRequest ? ["give the test a 'request'"] : []
                    return [Self.text(found.flow, found.from, found.to, found.verdict)] + found.reasons + hint
                }
            }
        }
        return []
    }

    /// Each flow of the case by itself.
    private mutating func judge(_ test: PolicyTestCase) throws -> [String] {
        let pairs = try pairs(test)
        let ports = test.ports.flatMap { span -> [(IPProtocol, UInt16)] in
            guard case .ports(let ports) = span else { return [] }
            return (ports.range.first...ports.range.last).map { (ports.ipProtocol, $0) }
        }
        guard pairs.count * ports.count <= Self.flowLimit else {
            throw PolicyTestError("\(pairs.count * ports.count) flows are more than \(Self.flowLimit): name fewer pods")
        }
        var verdicts = verdicts ?? ClusterVerdict(objects: inventory.objects, settings: inventory.settings)
        defer { self.verdicts = verdicts }
        var judged = 0
        for (from, to) in pairs {
            for (ipProtocol, port) in ports {
                let question = FlowQuestion(from: from, to: to, ipProtocol: ipProtocol, port: port)
                let decision = try verdicts.answer(question, request: test.request)
                if decision.isSelf { continue }
                guard decision.egress.decided || decision.ingress.decided else { continue }
                judged += 1
                let reasons = Self.reasons(decision, test)
                if !reasons.isEmpty { return reasons }
            }
        }
        guard judged > 0 else { throw PolicyTestError("no flow of the test is judged by policy: it says nothing") }
        return []
    }

    private func pairs(_ test: PolicyTestCase) throws(PolicyTestError) -> [(FlowEnd, FlowEnd)] {
        let from = try ends(test.from)
        let to = try ends(test.to)
        return from.flatMap { from in to.map { (from, $0) } }
    }

    private func ends(_ ends: [ReachEnd]) throws(PolicyTestError) -> [FlowEnd] {
        var result: [FlowEnd] = []
        for end in ends {
            switch end {
            case .named(let namespace, let name):
                guard let pods = members[EndpointName(namespace: namespace, name: name)] else {
                    throw PolicyTestError("no pod and no workload \(namespace)/\(name)")
                }
                result += pods.map { .pod(namespace: $0.namespace, name: $0.name) }
            case .network(let prefix):
                if prefix.isHost, let service = services[prefix.network] {
                    throw PolicyTestError("\(ReachabilityError.serviceAddress(prefix.network, of: service))")
                }
                result.append(.address(prefix.network))
            case .pods, .outside, .nodes, .anywhere:
                throw PolicyTestError("\(end) is not a pod, a workload or an address")
            }
        }
        return result
    }

    /// Why a decision is not the expected one; empty if it is.
    private static func reasons(_ decision: ClusterDecision, _ test: PolicyTestCase) -> [String] {
        let wanted: Verdict = test.expected == .allow ? .allow : .deny
        var sides: [(name: String, answer: ClusterDirection)] = []
        if decision.egress.decided { sides.append(("egress", decision.egress)) }
        if decision.ingress.decided { sides.append(("ingress", decision.ingress)) }
        let texts = sides.map { side in
            "\(side.name)\(side.answer.endpoint.map { " of \($0)" } ?? ""): \(side.answer.reason)"
        }
        let head = text(decision.flow, decision.egress.endpoint, decision.ingress.endpoint, decision.verdict)
        guard decision.verdict == wanted, decision.note == nil else {
            return [head] + texts + [decision.note].compactMap(\.self)
        }
        guard let rule = test.rule else { return [] }
        let deciding = sides.filter { $0.answer.verdict == wanted }.compactMap(\.answer.identity)
        return deciding.contains(where: rule.matches) ? [] : ["\(head), but not because of \(rule)"] + texts
    }

    private static func text(_ flow: Flow, _ from: EndpointName?, _ to: EndpointName?, _ verdict: Verdict) -> String {
        let ends = [from.map { "from \($0)" }, to.map { "to \($0)" }].compactMap(\.self).joined(separator: " ")
        let word = verdict == .allow ? "allowed" : verdict == .deny ? "denied" : "depends on the request"
        return "\(flow)\(ends.isEmpty ? "" : " (\(ends))"): \(word)"
    }
}

/// Why a case says nothing.
private struct PolicyTestError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
