// SPDX-License-Identifier: Apache-2.0
import SPOP
import Testing

@Suite struct SPOPTests {
    private static let message = SPOPMessage(
        name: "request",
        arguments: [
            .init(name: "source", value: .ipv4(0x0a00_0001)), .init(name: "six", value: .ipv6(0xfd00 << 48, 7)),
            .init(name: "port", value: .int32(8080)), .init(name: "path", value: .text("/a")),
            .init(name: "long", value: .binary([UInt8](repeating: 7, count: 70_000))),
            .init(name: "none", value: .null), .init(name: "yes", value: .bool(true)),
            .init(name: "big", value: .uint64(.max)), .init(name: "less", value: .int64(-1)),
        ])

    @Test(arguments: [
        SPOPFrame.haproxyHello(
            SPOPHello(supportedVersions: ["2.0"], maxFrameSize: 16380, capabilities: ["pipelining", "async"])),
        .haproxyDisconnect(SPOPStatus(code: 0, message: "normal")),
        .notify(stream: 239, frame: 240, [message]), .notify(stream: 2287, frame: 2288, [message, message]),
        .notify(stream: .max, frame: 264_431, []),
        .agentHello(version: "2.0", maxFrameSize: 16380, capabilities: ["async"]),
        .agentDisconnect(SPOPError.invalidFrame.status),
        .acknowledge(stream: 1, frame: 2, [SPOPVariable(.transaction, "verdict", .text("allow"))]),
    ])
    func framesReadBack(frame: SPOPFrame) throws {
        var bytes: [UInt8] = []
        frame.append(to: &bytes)
        #expect(try SPOPFrame(Array(bytes[4...])) == frame)
        // A frame that is cut is an error; it never reads like another question or answer.
        for length in 5..<min(bytes.count, 300) {
            let cut = try? SPOPFrame(Array(bytes[4..<length]))
            #expect(cut != frame)
        }
    }

    /// HAProxy 2.6.12's own first bytes.
    @Test func helloOfHAProxy() throws {
        var bytes: [UInt8] = [1, 0, 0, 0, 1, 0, 0]
        bytes += [18] + Array("supported-versions".utf8) + [8, 3] + Array("2.0".utf8)
        bytes += [14] + Array("max-frame-size".utf8) + [3, 0xfc, 0xf0, 0x06]
        bytes += [12] + Array("capabilities".utf8) + [8, 16] + Array("pipelining,async".utf8)
        guard case .haproxyHello(let hello) = try SPOPFrame(bytes) else {
            Issue.record("not a hello")
            return
        }
        #expect(hello.maxFrameSize == 16380 && hello.capabilities == ["pipelining", "async"])
    }

    @Test func anAgentAnswersPiecesAndEndsOnNonsense() {
        var input: [UInt8] = []
        SPOPFrame.haproxyHello(.init(supportedVersions: ["2.0"], maxFrameSize: 16380, capabilities: ["async"]))
            .append(to: &input)
        SPOPFrame.notify(stream: 5, frame: 6, [Self.message]).append(to: &input)
        var agent = SPOPAgent()
        var output: [UInt8] = []
        var questions: [SPOPAgent.Question] = []
        for start in stride(from: 0, to: input.count, by: 7) {
            questions += agent.read(input[start..<min(start + 7, input.count)], output: &output)
        }
        #expect(questions.map(\.messages) == [[Self.message]] && !agent.isClosed)
        #expect(
            (try? SPOPFrame(Array(output[4...])))
                == .agentHello(version: "2.0", maxFrameSize: 16380, capabilities: ["async"]))
        output = []
        #expect(agent.read([0, 0, 0, 1, 99], output: &output).isEmpty && agent.isClosed && !output.isEmpty)
    }

    @Test func aQuestionBeforeTheHelloIsRefused() {
        var input: [UInt8] = []
        SPOPFrame.notify(stream: 5, frame: 6, [Self.message]).append(to: &input)
        var agent = SPOPAgent()
        var output: [UInt8] = []
        #expect(agent.read(input, output: &output).isEmpty && agent.isClosed)
        agent = SPOPAgent()
        #expect(agent.read([0xff, 0xff, 0xff, 0xff], output: &output).isEmpty && agent.isClosed)
    }

    @Test func headersAreJoined() throws {
        func pair(_ name: String, _ value: String) -> [UInt8] {
            [UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        let bytes = pair("Host", "a") + pair("x-a", "1") + pair("X-A", "2") + [0, 0]
        #expect(try SPOPHeaders.read(bytes) == ["host": "a", "x-a": "1,2"])
        #expect(throws: SPOPError.invalidFrame) { try SPOPHeaders.read(Array(bytes.dropLast())) }
    }

    @Test func randomBytesNeverTrap() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            if bytes.count > 5 { bytes[4] = 1 }
            _ = try? SPOPFrame(bytes)
            _ = try? SPOPHeaders.read(bytes)
        }
    }
}
