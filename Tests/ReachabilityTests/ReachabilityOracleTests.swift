// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import Reachability
import Testing
import WorldKit

/// Answers and proofs over random clusters against the oracles of all their nodes.
@Suite struct ReachabilityOracleTests {
    private let settings = WorldSettings(worlds: 120, flows: 100, environment: ProcessInfo.processInfo.environment)

    @Test func everyFlowHasTheOraclesVerdict() throws {
        var (judged, dependent, ownNode, audited) = (0, 0, 0, 0)
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: seed.isMultiple(of: 2))
            let world = generator.world
            let oracle = ClusterOracle(world)
            var map = try world.map()
            for flow in generator.flows(settings.flows) where oracle.isJudged(flow) {
                let rows = try map.reach(
                    from: .network(CIDR(host: flow.source)), to: .network(CIDR(host: flow.destination)),
                    ports: [PortSpan(flow)], withDenied: true)
                let expected = oracle.verdict(flow)
                let access = rows.first?.access.first
                guard rows.count == 1, rows[0].access.count == 1, let access,
                    access.verdict == expected.verdict.asVerdict,
                    (access.egress?.verdict).map({ $0 == .allow }) == expected.egress,
                    (access.ingress?.verdict).map({ $0 == .allow }) == expected.ingress,
                    access.egress.map({ $0.wouldDeny != nil }) == expected.egressAnswer.map({ $0.wouldDeny != nil }),
                    access.ingress.map({ $0.wouldDeny != nil }) == expected.ingressAnswer.map({ $0.wouldDeny != nil })
                else {
                    Issue.record("\(rows)\n\(expected)\n\(world.report(of: flow))")
                    return
                }
                judged += 1
                if access.verdict == .dependsOnRequest { dependent += 1 }
                if rows[0].isOwnNode { ownNode += 1 }
                if expected.egressWouldDeny || expected.ingressWouldDeny { audited += 1 }
            }
        }
        #expect(judged > 5000 && dependent > 50 && ownNode > 50 && audited > 50)
    }

    /// A proven claim holds for every flow that is tried, and a counterexample is one.
    @Test func proofsHold() throws {
        var (proven, refuted, empty) = (0, 0, 0)
        for seed in settings.seeds.prefix(80) {
            var generator = WorldGenerator(seed: seed, isAuthorized: seed.isMultiple(of: 3))
            let world = generator.world
            let oracle = ClusterOracle(world)
            var map = try world.map()
            let near = Set(generator.flows(settings.flows).flatMap { [$0.source, $0.destination] }).sorted()
            for _ in 0..<12 {
                let claim = generator.claim()
                let flows = generator.flows(of: claim, among: near, oracle)
                // No proof: an end has no address.
                switch try? map.prove(claim) {
                case .proven?:
                    proven += 1
                    let wrong = flows.first { oracle.contradicts(claim, $0) }
                    #expect(wrong == nil, "\(claim)\n\(wrong.map { world.report(of: $0) } ?? "")")
                case .counterexample(let example)?:
                    refuted += 1
                    let isWrong = oracle.contradicts(claim, example.flow)
                    #expect(isWrong, "\(claim): \(example)\n\(world.report(of: example.flow))")
                    #expect(example.verdict == oracle.verdict(example.flow).verdict.asVerdict)
                    // A pod with its node's network has an address that no pod owns.
                    let (source, destination) = (example.flow.source, example.flow.destination)
                    #expect(oracle.owners[source] == nil || example.from == oracle.owners[source])
                    #expect(oracle.owners[destination] == nil || example.to == oracle.owners[destination])
                    #expect(!example.reasons.isEmpty)
                case .empty?, nil:
                    empty += 1
                    let wrong = flows.first { oracle.concerns(claim, $0) }
                    #expect(wrong == nil, "\(claim)\n\(wrong.map { world.report(of: $0) } ?? "")")
                }
            }
        }
        #expect(proven > 100 && refuted > 200 && empty > 5, "\(proven) \(refuted) \(empty)")
    }
}

extension ClusterOracle {
    /// Whether a flow shows that a claim is wrong.
    func contradicts(_ claim: ReachClaim, _ flow: Flow) -> Bool {
        concerns(claim, flow) && verdict(flow).verdict.asVerdict != (claim.kind == .deny ? .deny : .allow)
    }

    /// Whether a claim is about a flow.
    func concerns(_ claim: ReachClaim, _ flow: Flow) -> Bool {
        isJudged(flow) && isOne(flow.source, claim.from) && isOne(flow.destination, claim.to)
            && claim.ports.contains { $0.contains(flow) } && verdict(flow).ingressCause != .ownNode
    }

    /// The addresses of a pod that has its node's network.
    private func hostAddresses(of pod: Pod) -> [IPAddress] {
        guard pod.hostNetwork, pod.phase != .succeeded, pod.phase != .failed else { return [] }
        let ofNode = world.nodes.first { $0.metadata.name == pod.nodeName }?.addresses ?? []
        return pod.hostIPs + pod.podIPs + ofNode
    }

    func isOne(_ address: IPAddress, _ end: ReachEnd) -> Bool {
        func pods(_ isWanted: (Pod) -> Bool) -> Bool {
            world.pods.contains { pod in
                isWanted(pod)
                    && (owners[address] == pod.endpoint
                        || owners[address] == nil && hostAddresses(of: pod).contains(address))
            }
        }
        switch end {
        case .named(let namespace, let name):
            return pods { $0.endpoint == EndpointName(namespace: namespace, name: name) }
        case .pods(let namespace, let selector):
            return pods {
                (namespace ?? $0.metadata.namespace) == $0.metadata.namespace
                    && Oracle.selects(selector, $0.metadata.labels)
            }
        case .network(let prefix): return prefix.contains(address)
        case .outside: return isOutside(address)
        case .nodes: return nodeAddresses.contains(address)
        case .anywhere: return true
        }
    }
}

extension WorldGenerator {
    /// A claim that is sometimes right.
    mutating func claim() -> ReachClaim {
        var ports = PortSpan.all
        switch random.weighted([30, 50, 20]) {
        case 0: break
        case 1:
            let ipProtocol = random.pick(IPProtocol.withPorts)
            ports = [.ports(ProtocolPorts(ipProtocol, PortRange(random.pick([80, 443, 8080, 53, 1, 65535]))))]
        default: ports = [.otherProtocols]
        }
        return ReachClaim(
            random.chance(percent: 60) ? .deny : .allow, from: claimEnd(), to: claimEnd(), ports: ports)
    }

    /// Flows that a claim is about, between addresses at the edges of what policies name.
    mutating func flows(of claim: ReachClaim, among addresses: [IPAddress], _ oracle: ClusterOracle) -> [Flow] {
        let sources = addresses.filter { oracle.isOne($0, claim.from) }
        let destinations = addresses.filter { oracle.isOne($0, claim.to) }
        guard !sources.isEmpty, !destinations.isEmpty else { return [] }
        let ports: [UInt16] = [80, 443, 8080, 8081, 9090, 53, 3868, 1, 65535, 0, 81, 444]
        var flows: [Flow] = []
        for _ in 0..<140 {
            let (source, destination) = (random.pick(sources), random.pick(destinations))
            guard source.family == destination.family else { continue }
            switch random.pick(claim.ports) {
            case .otherProtocols:
                flows.append(
                    Flow(source: source, destination: destination, ipProtocol: .icmp, destinationPort: nil))
            case .ports(let span):
                let port = span.range.first == span.range.last ? span.range.first : random.pick(ports)
                flows.append(
                    Flow(
                        source: source, destination: destination, ipProtocol: span.ipProtocol, destinationPort: port))
            }
        }
        return flows
    }

    private mutating func claimEnd() -> ReachEnd {
        let pod = random.pick(world.pods).endpoint
        switch random.weighted([35, 20, 15, 10, 10, 10]) {
        case 0: return .named(namespace: pod.namespace, name: pod.name)
        case 1:
            return .pods(
                namespace: random.chance(percent: 50) ? pod.namespace : nil,
                random.chance(percent: 70) ? .labels(["app": random.pick(["web", "api", "db"])]) : LabelSelector())
        case 2:
            let around = random.pick(world.pods.flatMap(\.podIPs) + [address("8.8.8.8"), address("2001:db8::1")])
            let lengths = around.family == .ipv4 ? [0, 8, 24, 30, 32] : [0, 32, 112, 126, 128]
            return .network(CIDR(around, prefixLength: random.pick(lengths)))
        case 3: return .outside
        case 4: return .nodes
        default: return .anywhere
        }
    }
}
