// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import Requests
import Testing
import WorldKit

/// Random worlds with AuthorizationPolicies: what packets show, what a request shows, and changes.
@Suite struct PropertyAuthorizationTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test func tablesAgreeWithTheOracle() {
        var statistics = WorldStatistics()
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            let world = generator.world
            let flows = generator.flows(settings.flows)
            let oracle = world.oracle
            let compiled = PropertyComparison.compiled(world)
            for flow in flows {
                let request = generator.request()
                let verdict = oracle.verdict(flow)
                statistics.count(verdict)
                if verdict.verdict == .depends { statistics.count(oracle.verdict(flow, request: request)) }
                guard Self.difference(oracle, compiled, flow, request) != nil else { continue }
                let report = PropertyComparison.report(world, flow) { Self.difference($0, $1, request) }
                Issue.record("\(request)\n\(report)")
                return
            }
        }
        print(statistics.description)
        for answer in OracleAuthorization.allCases {
            #expect(statistics.causes[.authorization(answer), default: 0] > 20, "\(answer)")
        }
        #expect(statistics.directions { $0.wouldDeny == .authorization(.denied) } > 20)
        #expect(statistics.directions { $0.wouldDeny == .authorization(.notAllowed) } > 20)
    }

    /// Worlds that change event by event: after every step the tables agree with a new oracle.
    @Test func tablesAgreeAfterEveryStep() {
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            var pipeline = PropertyComparison.pipeline(generator.world)
            var history = WorldHistory(start: generator.world)
            for _ in 0..<20 {
                let events = generator.change()
                history.steps.append(events)
                _ = pipeline.apply(events)
                let oracle = generator.world.oracle
                for flow in generator.flows(max(settings.flows / 20, 1)) {
                    let request = generator.request()
                    guard Self.difference(oracle, pipeline.compiled, flow, request) != nil else { continue }
                    let small = history.shrunk { Self.difference($0, flow, request) != nil }
                    let what = Self.difference(small, flow, request) ?? "the failure does not come again"
                    Issue.record("\(what)\n\(request)\n\(small.report(of: flow))")
                    return
                }
            }
        }
    }

    private static func difference(_ world: World, _ flow: Flow, _ request: OracleRequest) -> String? {
        difference(world.oracle, PropertyComparison.compiled(world), flow, request)
    }

    private static func difference(_ history: WorldHistory, _ flow: Flow, _ request: OracleRequest) -> String? {
        var world = history.start
        var pipeline = PropertyComparison.pipeline(world)
        for step in history.steps {
            for event in step { world.apply(event) }
            _ = pipeline.apply(step)
        }
        return difference(world.oracle, pipeline.compiled, flow, request)
    }

    /// The flow without a request, and with one.
    private static func difference(
        _ oracle: Oracle, _ policy: CompiledPolicy, _ flow: Flow, _ request: OracleRequest
    ) -> String? {
        if let difference = PropertyComparison.difference(oracle, policy, flow) { return difference }
        let found = policy.evaluate(flow, request: HTTPRequest(request))
        return PropertyComparison.difference(oracle.verdict(flow, request: request), found)
            .map { "with a request: \($0)" }
    }

    /// The proof that the property can fail.
    @Test(arguments: Misreading.all)
    func wrongReadingsAreCaught(_ wrong: Misreading) {
        for seed in settings.seeds.prefix(100) {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            let flows = generator.flows(300)
            let oracle = generator.world.oracle
            let compiled = PropertyComparison.compiled(wrong.misread(generator.world))
            for flow in flows where Self.difference(oracle, compiled, flow, generator.request()) != nil { return }
        }
        Issue.record("not caught: \(wrong.name)")
    }

    /// What is read wrongly before it is compiled.
    struct Misreading: Sendable, CustomTestStringConvertible {
        var name: String
        var misread: @Sendable (World) -> World
        var testDescription: String { name }

        private static func policies(
            _ name: String, _ change: @escaping @Sendable (inout AuthorizationPolicy) -> Void
        ) -> Misreading {
            Misreading(name: name) { world in
                var copy = world
                for index in world.authorizationPolicies.indices { change(&copy.authorizationPolicies[index]) }
                return copy
            }
        }

        private static func sources(
            _ name: String, _ change: @escaping @Sendable (inout AuthorizationSource) -> Void
        ) -> Misreading {
            policies(name) { policy in
                for rule in policy.rules.indices {
                    policy.rules[rule].sources = policy.rules[rule].sources.map { sources in
                        sources.map { source in
                            var source = source
                            change(&source)
                            return source
                        }
                    }
                }
            }
        }

        private static func operations(
            _ name: String, _ change: @escaping @Sendable (inout AuthorizationOperation) -> Void
        ) -> Misreading {
            policies(name) { policy in
                for rule in policy.rules.indices {
                    policy.rules[rule].operations = policy.rules[rule].operations.map { operations in
                        operations.map { operation in
                            var operation = operation
                            change(&operation)
                            return operation
                        }
                    }
                }
            }
        }

        static let all: [Misreading] = [
            policies("AUDIT denies") { if $0.action == .audit { $0.action = .deny } },
            policies("ALLOW does not isolate") {
                if $0.action == .allow, $0.rules.isEmpty { $0.rules = [AuthorizationRule()] }
            },
            policies("dry run enforced") { $0.enforcement = .enforce },
            policies("conditions not read") {
                for index in $0.rules.indices { $0.rules[index].conditions = [] }
            },
            policies("the root namespace is one like others") {
                if $0.metadata.namespace == "infra" { $0.metadata.namespace = "elsewhere" }
            },
            sources("negations of sources not read") {
                ($0.notPrincipals, $0.notNamespaces, $0.notServiceAccounts, $0.notIpBlocks) = ([], [], [], [])
            },
            sources("trust domain aliases not known") {
                $0.principals = $0.principals.map { $0.hasPrefix("old") ? "elsewhere/ns/a/sa/b" : $0 }
            },
            sources("unknown parts of sources not read") { $0.unknown = [] },
            policies("unknown parts of rules not read") {
                for index in $0.rules.indices { $0.rules[index].unknown = [] }
            },
            policies("unknown parts of policies not read") { $0.unknown = [] },
            sources("an account belongs to any namespace") {
                if !$0.serviceAccounts.isEmpty {
                    $0.principals = $0.serviceAccounts.map { "*/sa/\($0.split(separator: "/").last ?? "")" }
                    $0.serviceAccounts = []
                }
            },
            operations("ports not read") { ($0.ports, $0.notPorts) = ([], []) },
            operations("methods not read") { ($0.methods, $0.notMethods) = ([], []) },
            operations("hosts compared with case") {
                $0.hosts = $0.hosts.map { $0.lowercased() == $0 ? $0 : "nobody" }
            },
            operations("paths compared as written") { $0.paths = $0.paths.map { $0 == "/{*}" ? "/%7B*%7D" : $0 } },
        ]
    }
}

extension HTTPRequest {
    init(_ request: OracleRequest) {
        self.init(method: request.method, host: request.host, path: request.path, headers: request.headers)
    }
}
