// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyOracle
import RequestPolicy
import Requests
import Testing
import WorldKit

/// Random worlds with AuthorizationPolicies: oracle, tables, and the proxy's decider say the same of every flow and
/// request, from scratch and change by change.
@Suite struct PropertyDeciderTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    /// What was seen, so that no answer goes untested.
    private struct Seen {
        var counts: [String: Int] = [:]
        mutating func count(_ what: String) { counts[what, default: 0] += 1 }
    }

    @Test func theDeciderAgreesWithTheOracle() throws {
        var seen = Seen()
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            let judges = Judges(generator.world)
            var decider = try FedDecider(judges.compiled)
            for flow in generator.flows(max(settings.flows / 4, 1)) where Judges.mayBeSteered(flow) {
                let request = generator.request()
                guard try judges.difference(&decider, flow, request, note: { seen.count($0) }) != nil else { continue }
                let report = PropertyComparison.report(generator.world, flow) { Self.difference($0, $1, request) }
                Issue.record("\(request)\n\(report)")
                return
            }
            seen.counts["headers", default: 0] += decider.askedForHeaders
        }
        print(seen.counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        for what in [
            "flow pass", "flow ask", "flow deny", "flow unknown", "request allow", "request deny", "request refuse",
            "would deny", "headers", "allowed by pass", "denied by deny",
        ] { #expect(seen.counts[what, default: 0] > 20, "\(what)") }
    }

    /// Every change arrives as lines. Now and then the lines of a change are lost: the next change shows it, and a
    /// snapshot mends it.
    @Test func theDeciderAgreesAfterEveryStep() throws {
        var restarts = 0
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            var pipeline = PropertyComparison.pipeline(generator.world)
            var decider = try FedDecider(pipeline.compiled)
            var history = WorldHistory(start: generator.world)
            for step in 1...20 {
                let events = generator.change()
                history.steps.append(events)
                _ = pipeline.apply(events)
                if step % 7 == 6 {
                    try decider.take(pipeline.compiled, isLost: true)
                    continue
                }
                let before = decider.known
                do {
                    try decider.take(pipeline.compiled)
                } catch is RequestPolicyError {
                    #expect(decider.known == before, "what is known stays")
                    restarts += 1
                    try decider.connectAgain(pipeline.compiled)
                }
                #expect(decider.known == decider.policy(of: pipeline.compiled))
                let judges = Judges(generator.world, pipeline.compiled)
                for flow in generator.flows(max(settings.flows / 20, 1)) where Judges.mayBeSteered(flow) {
                    let request = generator.request()
                    guard try judges.difference(&decider, flow, request) != nil else { continue }
                    let small = history.shrunk { Self.difference($0, flow, request) != nil }
                    let what = Self.difference(small, flow, request) ?? "the failure does not come again"
                    Issue.record("\(what)\n\(request)\n\(small.report(of: flow))")
                    return
                }
            }
        }
        #expect(restarts > 20, "a lost change was noticed \(restarts) times")
    }

    /// The proof that the property can fail.
    @Test(arguments: DeciderMistake.all)
    func mistakesAreCaught(_ mistake: DeciderMistake) throws {
        for seed in settings.seeds.prefix(100) {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            let judges = Judges(generator.world)
            var decider = try FedDecider(judges.compiled, mistake: mistake)
            for flow in generator.flows(200) where Judges.mayBeSteered(flow) {
                if try judges.difference(&decider, flow, generator.request()) != nil { return }
            }
        }
        Issue.record("not caught: \(mistake.name)")
    }

    private static func difference(_ world: World, _ flow: Flow, _ request: OracleRequest) -> String? {
        let judges = Judges(world)
        do {
            var decider = try FedDecider(judges.compiled)
            return try judges.difference(&decider, flow, request)
        } catch {
            return "\(error)"
        }
    }

    private static func difference(_ history: WorldHistory, _ flow: Flow, _ request: OracleRequest) -> String? {
        var world = history.start
        var pipeline = PropertyComparison.pipeline(world)
        do {
            var decider = try FedDecider(pipeline.compiled)
            for step in history.steps {
                for event in step { world.apply(event) }
                _ = pipeline.apply(step)
                try decider.take(pipeline.compiled)
            }
            return try Judges(world, pipeline.compiled).difference(&decider, flow, request)
        } catch {
            return "\(error)"
        }
    }
}

extension DeciderMistake: CustomTestStringConvertible {
    var testDescription: String { name }
}

/// Those who know what a decider must answer about one world.
private struct Judges {
    let compiled: CompiledPolicy
    private let oracle: Oracle
    /// Of authorization alone: whether the tiers allow a flow is the datapath's business.
    private let authorization: Oracle
    /// With the policies in audit enforced.
    private let audited: Oracle

    init(_ world: World, _ compiled: CompiledPolicy? = nil) {
        self.compiled = compiled ?? PropertyComparison.compiled(world)
        oracle = world.oracle
        var alone = world
        (alone.policies, alone.tierPolicies) = ([], [])
        authorization = alone.oracle
        for index in alone.authorizationPolicies.indices {
            alone.authorizationPolicies[index].enforcement = .enforce
            if alone.authorizationPolicies[index].action == .audit { alone.authorizationPolicies[index].action = .deny }
        }
        audited = alone.oracle
    }

    /// Whether it may come to a proxy: TCP, and no IPv6 source that stands for an IPv4 address, which kernels drop.
    static func mayBeSteered(_ flow: Flow) -> Bool {
        func isMapped(_ address: IPAddress) -> Bool {
            address.family == .ipv6 && address.high == 0 && address.low >> 32 == 0xffff
        }
        return flow.ipProtocol == .tcp && flow.destinationPort != nil && !isMapped(flow.source)
            && !isMapped(flow.destination)
    }

    /// Nil where all agree, and where the flow does not end at a pod of this node.
    func difference(
        _ decider: inout FedDecider, _ flow: Flow, _ request: OracleRequest, note: (String) -> Void = { _ in }
    ) throws -> String? {
        guard let told = oracle.verdict(flow).ingressCause, let alone = authorization.verdict(flow).ingressCause else {
            return nil
        }
        let depends = told.dependsOnRequest
        let answer = try decider.ask(flow)
        if decider.known?.endpoint(of: flow.destination) == nil {
            note("flow unknown")
            if depends { return "a flow that depends on its requests goes to a pod that the decider does not know" }
            return answer.verdict == "deny" ? nil : "of an unknown pod: \(answer.verdict)"
        }
        let expected = alone.dependsOnRequest ? "ask" : alone.allows ? "pass" : "deny"
        note("flow \(expected)")
        if depends, expected != "ask" { return "authorization alone says \(alone) where all says \(told)" }
        if answer.verdict != expected { return "flow: oracle says \(alone), decider \(answer.verdict)" }
        return try requestDifference(&decider, flow, request, flowAnswer: expected, depends: depends, note: note)
    }

    private func requestDifference(
        _ decider: inout FedDecider, _ flow: Flow, _ request: OracleRequest, flowAnswer: String, depends: Bool,
        note: (String) -> Void
    ) throws -> String? {
        guard let cause = authorization.verdict(flow, request: request).ingressCause else { return "no verdict" }
        let expected = cause == .authorization(.refused) ? "refuse" : cause.allows ? "allow" : "deny"
        let auditedCause = audited.verdict(flow, request: request).ingressCause
        let wouldDeny =
            cause.allows && auditedCause?.denies == true && auditedCause != .authorization(.refused)
        let found = try decider.ask(flow, request)
        if found != FedDecider.Answer(verdict: expected, wouldDeny: wouldDeny) {
            return "request: oracle says \(cause), in audit \(String(describing: auditedCause)); decider \(found)"
        }
        note("request \(expected)")
        if wouldDeny { note("would deny") }
        switch flowAnswer {
        case "pass":
            note("allowed by pass")
            if found.verdict != "allow" { return "\(found) although the flow passes" }
        case "deny":
            note("denied by deny")
            if found.verdict != "deny" { return "\(found) although the flow is denied" }
        default: break
        }
        guard depends else { return nil }
        let isAllowed = oracle.verdict(flow, request: request).ingress == true
        let tables = compiled.evaluate(flow, request: HTTPRequest(request)).ingress?.verdict == .allow
        let isSame = isAllowed == (found.verdict == "allow") && tables == isAllowed
        return isSame ? nil : "request: oracle \(isAllowed), tables \(tables), decider \(found.verdict)"
    }
}
