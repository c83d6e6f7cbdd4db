// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// An evaluator with one deliberate mistake of the kind that real ones make.
struct WrongEvaluator: Sendable, CustomTestStringConvertible {
    var name: String
    /// The mistake in what the tables are made from.
    var misread: @Sendable (World) -> World = { $0 }
    /// The mistake in the tables.
    var change: @Sendable (CompiledPolicy) -> CompiledPolicy = { $0 }
    /// The mistake in reading them.
    var evaluate: @Sendable (CompiledPolicy, Flow) -> Decision = { $0.evaluate($1) }
    var testDescription: String { name }

    private static func asking(_ name: String, _ change: @escaping @Sendable (Flow) -> Flow) -> WrongEvaluator {
        WrongEvaluator(name: name, evaluate: { $0.evaluate(change($1)) })
    }

    private static func tables(_ name: String, _ change: @escaping @Sendable (inout CompiledPolicy) -> Void) -> Self {
        WrongEvaluator(
            name: name,
            change: { policy in
                var copy = policy
                change(&copy)
                return copy
            })
    }

    private static func cells(_ name: String, _ change: @escaping @Sendable (inout Cell) -> Void) -> Self {
        tables(name) { policy in
            for (id, program) in policy.programs {
                for index in program.cells.indices { change(&policy.programs[id]!.cells[index]) }
            }
        }
    }

    private static func flow(
        _ flow: Flow, _ ipProtocol: IPProtocol, _ port: UInt16?
    ) -> Flow {
        Flow(source: flow.source, destination: flow.destination, ipProtocol: ipProtocol, destinationPort: port)
    }

    static let all: [WrongEvaluator] = tables + tiers

    private static let tables: [WrongEvaluator] = [
        asking("source and destination exchanged") {
            Flow(
                source: $0.destination, destination: $0.source, ipProtocol: $0.ipProtocol,
                destinationPort: $0.destinationPort)
        },
        asking("UDP taken for TCP") { $0.ipProtocol == .udp ? flow($0, .tcp, $0.destinationPort) : $0 },
        asking("SCTP taken for UDP") { $0.ipProtocol == .sctp ? flow($0, .udp, $0.destinationPort) : $0 },
        asking("ICMP taken for TCP port 0") { $0.ipProtocol.hasPorts ? $0 : flow($0, .tcp, 0) },
        asking("port one too high") { $0.destinationPort.map { $0 == .max } == false ? above($0) : $0 },
        asking("port in the wrong byte order") { flow($0, $0.ipProtocol, $0.destinationPort?.byteSwapped) },
        asking("half of an IPv6 address compared") {
            $0.source.family == .ipv4
                ? $0
                : Flow(
                    source: IPAddress(v6High: 0xFD00_0010_0244_0000, low: $0.source.low),
                    destination: $0.destination, ipProtocol: $0.ipProtocol, destinationPort: $0.destinationPort)
        },
        tables("CIDRs forgotten") { policy in
            for prefix in policy.addresses.prefixes.keys { policy.addresses[prefix] = nil }
        },
        tables("longest prefixes forgotten") { policy in
            let longest = policy.addresses.prefixes.keys.map(\.prefixLength).max()
            for prefix in policy.addresses.prefixes.keys where prefix.prefixLength == longest {
                policy.addresses[prefix] = nil
            }
        },
        tables("addresses of other nodes forgotten") { policy in
            for (address, entry) in policy.addresses.hosts where entry.endpoint == .none {
                policy.addresses[CIDR(host: address)] = nil
            }
        },
        tables("egress not enforced") { policy in
            for id in policy.endpoints.keys { policy.endpoints[id]?.egress = .none }
        },
        tables("one cell of each matrix turned") { policy in
            for (id, program) in policy.programs where !program.cells.isEmpty {
                let cell = program.cells[program.cells.count - 1]
                policy.programs[id]?.cells[program.cells.count - 1] = Cell(
                    cell.verdict == .allow ? .deny : .allow, by: cell.rule)
            }
        },
        tables("own node denied where isolated") { policy in
            for (id, program) in policy.programs {
                policy.programs[id]?.cells = program.cells.map { cell in
                    guard case .ownNode = policy.rules[cell.rule]?.identity else { return cell }
                    return Cell(.deny, by: cell.rule)
                }
            }
        },
        cells("NetworkPolicy denies a pod to itself through a Service") { $0.neverDeniesItself = false },
        cells("tiers not asked about a pod to itself through a Service") { $0.neverDeniesItself = true },
        WrongEvaluator(
            name: "only ingress counts",
            evaluate: { policy, flow in
                var decision = policy.evaluate(flow)
                decision.verdict = decision.ingress?.verdict ?? .allow
                return decision
            }),
        WrongEvaluator(
            name: "a pod to itself asked",
            evaluate: { policy, flow in
                let decision = policy.evaluate(flow)
                guard decision.isSelf else { return decision }
                return Decision(verdict: .deny, egress: nil, ingress: nil, isSelf: true)
            }),
    ]

    private static func above(_ flow: Flow) -> Flow {
        self.flow(flow, flow.ipProtocol, flow.destinationPort.map { $0 + 1 })
    }
}
