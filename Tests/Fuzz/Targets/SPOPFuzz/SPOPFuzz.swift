// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import NetworkTypes
import PolicyModel
import RequestDecider
import RequestPolicy
import SPOP

/// Any bytes as HAProxy's side of a connection: the pieces in which they come do not matter, what is read is written and
/// read alike, each question is answered, and nothing is allowed that the policy does not allow.
///
/// The first byte says where to cut; the second whether a good hello comes first.
private func fuzzSPOP(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard bytes.count > 2 else { return 0 }
    var input: [UInt8] = []
    if bytes[1] & 1 == 0 { input += hello }
    input += bytes[2...]
    let cut = min(Int(bytes[0]), input.count)
    let whole = Connection([input[...]])
    precondition(whole == Connection([input[..<cut], input[cut...]]))
    // Each question has its frame.
    precondition(whole.questions.count <= input.count / 11)
    whole.questions.forEach(answer)
    readAlike(Array(bytes[2...]))
    readHeaders(Array(bytes[2...]))
    return 0
}

private let hello: [UInt8] = {
    var bytes: [UInt8] = []
    SPOPFrame.haproxyHello(SPOPHello(supportedVersions: ["2.0"], maxFrameSize: 16380, capabilities: ["async"]))
        .append(to: &bytes)
    return bytes
}()

private struct Connection: Equatable {
    var questions: [SPOPAgent.Question] = []
    var output: [UInt8] = []
    var isClosed: Bool

    init(_ pieces: [ArraySlice<UInt8>]) {
        var agent = SPOPAgent()
        for piece in pieces { questions += agent.read(piece, output: &output) }
        isClosed = agent.isClosed
    }
}

private let api = IPAddress(v4: 0x0a00_0002)

/// One pod; POST is allowed, if a header says so.
private let policy: RequestPolicy = {
    var policy = RequestPolicy()
    let writer = PolicyReference(kind: "AuthorizationPolicy", namespace: "shop", name: "writer")
    let conditions: [RequestCondition] = [
        .init(.method, [.text(.exact("POST"))]), .init(.path, [.template([.literal("a"), .any])]),
        .init(.header("x"), [.text(.prefix("a"))]),
    ]
    policy.programs[1] = RequestProgram(rules: [
        RequestRule(
            identity: .rule(writer, .ingress, index: 0, name: nil), action: .allow,
            request: RequestMatch(conditions: conditions)),
        RequestRule(identity: .isolation(.ingress, by: [writer]), action: .deny),
    ])
    policy.endpoints[1] = RequestEndpoint(name: "shop/api", addresses: [api], program: 1)
    return policy
}()

private func answer(_ question: SPOPAgent.Question) {
    var ignorant = RequestDecider()
    var decider = RequestDecider(policy)
    for message in question.messages {
        precondition(!isAllowed(ignorant.answer(message) { "" }))
        let answer = decider.answer(message) { "" }
        if isAllowed(answer) { precondition(mayBeAllowed(message)) }
        if let record = answer.record {
            precondition(record.path.utf8.count <= 512 && record.method.utf8.count <= 512)
            precondition(record.host.utf8.count <= 512)
        }
        var output: [UInt8] = []
        question.answer(answer.variables, to: &output)
        precondition(
            (try? SPOPFrame(Array(output[4...])))
                == .acknowledge(stream: question.stream, frame: question.frame, answer.variables))
    }
}

private func isAllowed(_ answer: RequestDecider.Answer) -> Bool {
    answer.variables.contains { $0.value == .text("allow") || $0.value == .text("pass") }
}

/// Only a pod's flow to itself, and a POST with its header below /a.
private func mayBeAllowed(_ message: SPOPMessage) -> Bool {
    func isAPI(_ value: SPOPValue?) -> Bool { value == .ipv4(api.v4) || value == .ipv6(0, 0xffff_0000_0000 | api.low) }
    if isAPI(message["source"]), isAPI(message["destination"]) { return true }
    guard message.name != "flow", message["method"] == .text("POST") || message["method"] == .binary(Array("POST".utf8))
    else { return false }
    return message["headers"] != nil
}

/// A frame that is read is written so that it reads alike.
private func readAlike(_ bytes: [UInt8]) {
    guard let frame = try? SPOPFrame(bytes) else { return }
    var written: [UInt8] = []
    frame.append(to: &written)
    precondition((try? SPOPFrame(Array(written[4...]))) == frame)
}

private func readHeaders(_ bytes: [UInt8]) {
    guard let headers = try? SPOPHeaders.read(bytes) else { return }
    precondition(headers.count <= bytes.count / 2)
    precondition(headers.keys.allSatisfy { $0 == $0.lowercased() })
}

@main enum SPOPFuzz {
    static func main() { exit(fuzz(fuzzSPOP)) }
}
