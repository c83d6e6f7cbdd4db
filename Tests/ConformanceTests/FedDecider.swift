// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyOracle
import RequestDecider
import RequestPolicy
import SPOP

/// A decider as it works in the proxy's pod, without its sockets: it learns the policy by the daemon's lines and is asked
/// by HAProxy's frames.
struct FedDecider {
    /// What the last batch of lines said.
    private var sent: RequestPolicy?
    private var generation: UInt64 = 0
    private var lines = RequestPolicyLines()
    private var decider = RequestDecider()
    private var agent = SPOPAgent()
    /// Questions so far. Each third is sent in another form.
    private var asked: UInt64 = 0
    private let mistake: DeciderMistake?
    /// Questions that were asked a second time, with headers.
    private(set) var askedForHeaders = 0

    /// What HAProxy gets, and whether a policy in audit would deny what is allowed.
    struct Answer: Equatable {
        var verdict: String
        var wouldDeny = false
    }

    init(_ compiled: CompiledPolicy, mistake: DeciderMistake? = nil) throws {
        self.mistake = mistake
        var output: [UInt8] = []
        var hello: [UInt8] = []
        SPOPFrame.haproxyHello(
            SPOPHello(supportedVersions: ["2.0"], maxFrameSize: 16380, capabilities: ["pipelining", "async"])
        ).append(to: &hello)
        _ = agent.read(hello, output: &output)
        try take(compiled)
    }

    /// What a decider knows of the policy.
    func policy(of compiled: CompiledPolicy) -> RequestPolicy {
        var policy = RequestPolicy(compiled, generation: generation)
        mistake?.policy(&policy)
        return policy
    }

    /// The policy has changed.
    ///
    /// - Parameter isLost: the lines do not arrive.
    mutating func take(_ compiled: CompiledPolicy, isLost: Bool = false) throws {
        generation += 1
        let policy = policy(of: compiled)
        let bytes = (sent.map { RequestPolicyChange(from: $0, to: policy) } ?? RequestPolicyChange(policy)).bytes
        sent = policy
        guard !isLost else { return }
        // In two pieces, as a connection may bring them.
        let cut = bytes.count * 2 / 3
        let early = try lines.read(bytes[..<cut])
        guard try lines.read(bytes[cut...]) != early, let known = lines.reader.policy else { throw Incomplete() }
        decider.take(known)
    }

    /// A new connection to the daemon, which begins with a snapshot.
    mutating func connectAgain(_ compiled: CompiledPolicy) throws {
        (lines, sent) = (RequestPolicyLines(), nil)
        try take(compiled)
    }

    var known: RequestPolicy? { decider.policy }

    mutating func ask(_ flow: Flow) throws -> Answer { try ask("flow", arguments(flow)) }

    /// Asks about a request, with its headers if the decider wants them.
    mutating func ask(_ flow: Flow, _ request: OracleRequest) throws -> Answer {
        let target =
            switch asked % 3 {
            case 0: request.path
            case 1: "\(request.path)?next=/admin"
            // The form of HTTP/2.
            default: "https://\(request.host)\(request.path)"
            }
        let about =
            arguments(flow) + [
                .init(name: "method", value: .text(request.method)), .init(name: "target", value: .text(target)),
            ]
        let first = try ask("request", about + [.init(name: "host", value: .text(request.host))])
        guard first.verdict == "headers" else { return first }
        askedForHeaders += 1
        var bytes: [UInt8] = []
        for (name, value) in [("Host", request.host)] + request.headers.map({ ($0.key, $0.value) }) + [("", "")] {
            for text in [name, value] { bytes += [UInt8(text.utf8.count)] + Array(text.utf8) }
        }
        return try ask("headers", about + [.init(name: "headers", value: .binary(bytes))])
    }

    private func arguments(_ flow: Flow) -> [SPOPMessage.Argument] {
        func value(_ address: IPAddress) -> SPOPValue {
            address.family == .ipv4 ? .ipv4(address.v4) : .ipv6(address.high, address.low)
        }
        return [
            .init(name: "source", value: value(flow.source)), .init(name: "sourcePort", value: .int32(50_000)),
            .init(name: "destination", value: value(flow.destination)),
            .init(name: "port", value: .int32(Int32(flow.destinationPort ?? 0))),
        ]
    }

    private mutating func ask(_ name: String, _ arguments: [SPOPMessage.Argument]) throws -> Answer {
        asked += 1
        var message = SPOPMessage(name: name, arguments: arguments)
        mistake?.message(&message)
        var input: [UInt8] = []
        SPOPFrame.notify(stream: asked, frame: 1, [message]).append(to: &input)
        var output: [UInt8] = []
        let questions = agent.read(input, output: &output)
        guard questions.count == 1, questions[0].messages.count == 1, output.isEmpty else { throw Incomplete() }
        let answer = decider.answer(questions[0].messages[0]) { "2026-11-30T00:00:00.000Z" }
        questions[0].answer(answer.variables, to: &output)
        guard case .acknowledge(asked, 1, let variables) = try SPOPFrame(Array(output[4...])), variables.count == 1,
            variables[0].name == "verdict", variables[0].scope == (name == "flow" ? .session : .transaction),
            case .string(let bytes) = variables[0].value
        else { throw Incomplete() }
        return Answer(
            verdict: String(decoding: bytes, as: UTF8.self), wouldDeny: answer.record?.verdict == .wouldDeny)
    }

    struct Incomplete: Error {}
}

/// One deliberate mistake on the way to a decider.
struct DeciderMistake: Sendable {
    var name: String
    /// In what it knows.
    var policy: @Sendable (inout RequestPolicy) -> Void = { _ in }
    /// In what it is asked.
    var message: @Sendable (inout SPOPMessage) -> Void = { _ in }

    private static func rules(
        _ name: String, _ change: @escaping @Sendable (inout RequestProgram) -> Void
    ) -> DeciderMistake {
        DeciderMistake(
            name: name,
            policy: { policy in for number in policy.programs.keys { change(&policy.programs[number]!) } })
    }

    private static func each(
        _ name: String, _ change: @escaping @Sendable (inout RequestRule) -> Void
    ) -> DeciderMistake {
        rules(name) { program in
            for index in program.rules.indices { change(&program.rules[index]) }
            for index in program.auditRules.indices { change(&program.auditRules[index]) }
        }
    }

    private static func argument(
        _ name: String, _ argument: String, _ change: @escaping @Sendable (SPOPValue) -> SPOPValue
    ) -> DeciderMistake {
        DeciderMistake(
            name: name,
            message: { message in
                for index in message.arguments.indices where message.arguments[index].name == argument {
                    message.arguments[index].value = change(message.arguments[index].value)
                }
            })
    }

    static let all: [DeciderMistake] = [
        DeciderMistake(name: "sources forgotten", policy: { $0.classes = [:] }),
        DeciderMistake(
            name: "prefixes of sources forgotten",
            policy: { policy in for prefix in policy.sources.prefixes.keys { policy.sources[prefix] = nil } }),
        DeciderMistake(name: "endpoints forgotten", policy: { $0.endpoints = [:] }),
        rules("rules in the opposite order") { $0.rules.reverse() },
        rules("the last rule forgotten") { if !$0.rules.isEmpty { $0.rules.removeLast() } },
        rules("audits forgotten") { $0.auditRules = [] },
        each("ports not read") { $0.ports = nil },
        each("requests not read") { $0.request = nil },
        each("negations not read") { rule in
            for index in rule.request?.conditions.indices ?? 0..<0 {
                rule.request?.conditions[index].isExcluded = false
            }
        },
        each("one condition counts") { rule in
            if let first = rule.request?.conditions.first { rule.request?.conditions = [first] }
        },
        argument("the port before", "port") {
            if case .int32(let port) = $0, port > 0 { .int32(port - 1) } else { $0 }
        },
        argument("methods in lower case", "method") { value in
            if case .string(let bytes) = value {
                .text(String(decoding: bytes, as: UTF8.self).lowercased())
            } else {
                value
            }
        },
        argument("every path is the root", "target") { _ in .text("/") },
        argument("no headers", "headers") { _ in .binary([0, 0]) },
        DeciderMistake(
            name: "source and destination exchanged",
            message: { message in
                for index in message.arguments.indices {
                    let names = ["source": "destination", "destination": "source"]
                    message.arguments[index].name =
                        names[message.arguments[index].name] ?? message.arguments[index].name
                }
            }),
    ]
}
