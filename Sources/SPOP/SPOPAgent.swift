// SPDX-License-Identifier: Apache-2.0

/// The agent's side of one connection: cuts bytes into frames and answers what is not a question. It does no I/O.
public struct SPOPAgent: Sendable {
    /// A question that the caller answers, in any order.
    public struct Question: Sendable, Hashable {
        public var stream: UInt64
        public var frame: UInt64
        public var messages: [SPOPMessage]

        /// Appends the frame that answers.
        public func answer(_ variables: [SPOPVariable], to output: inout [UInt8]) {
            SPOPFrame.acknowledge(stream: stream, frame: frame, variables).append(to: &output)
        }
    }

    /// Bytes of a frame without its length that the agent takes; HAProxy's own limit is below `tune.bufsize`.
    public static let frameSizeLimit: UInt32 = 1 << 20
    private static let capabilities: Set<String> = ["pipelining", "async"]

    private var pending: [UInt8] = []
    private var isOpen = false
    /// No further bytes are read: the connection is closed once the output is written.
    public private(set) var isClosed = false

    public init() {}

    /// - Parameter output: Gets what the agent itself answers.
    /// - Returns: The questions among the frames.
    public mutating func read(_ bytes: some Collection<UInt8>, output: inout [UInt8]) -> [Question] {
        guard !isClosed else { return [] }
        pending.append(contentsOf: bytes)
        var questions: [Question] = []
        var start = 0
        do throws(SPOPError) {
            while !isClosed, let frame = try nextFrame(&start) {
                if let question = try take(SPOPFrame(frame), output: &output) { questions.append(question) }
            }
        } catch {
            SPOPFrame.agentDisconnect(error.status).append(to: &output)
            isClosed = true
        }
        pending.removeFirst(start)
        return questions
    }

    private func nextFrame(_ start: inout Int) throws(SPOPError) -> [UInt8]? {
        guard pending.count - start >= 4 else { return nil }
        let length = pending[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard length <= Self.frameSizeLimit else { throw .frameTooBig }
        let end = start + 4 + Int(length)
        guard end <= pending.count else { return nil }
        defer { start = end }
        return Array(pending[start + 4..<end])
    }

    private mutating func take(_ frame: SPOPFrame, output: inout [UInt8]) throws(SPOPError) -> Question? {
        switch frame {
        case .haproxyHello(let hello):
            guard !isOpen else { throw .invalidFrame }
            try answer(hello, output: &output)
            return nil
        case .notify(let stream, let frame, let messages):
            guard isOpen else { throw .invalidFrame }
            return Question(stream: stream, frame: frame, messages: messages)
        case .haproxyDisconnect:
            SPOPFrame.agentDisconnect(SPOPStatus(code: 0, message: "normal")).append(to: &output)
            isClosed = true
            return nil
        case .agentHello, .agentDisconnect, .acknowledge: throw .invalidFrame
        }
    }

    private mutating func answer(_ hello: SPOPHello, output: inout [UInt8]) throws(SPOPError) {
        guard hello.supportedVersions.contains(where: { $0.hasPrefix("2.") || $0 == "2" }) else {
            throw .unsupportedVersion
        }
        guard hello.maxFrameSize >= 256 else { throw .badMaxFrameSize }
        SPOPFrame.agentHello(
            version: "2.0", maxFrameSize: min(hello.maxFrameSize, Self.frameSizeLimit),
            capabilities: hello.capabilities.filter(Self.capabilities.contains)
        ).append(to: &output)
        isOpen = true
        isClosed = hello.isHealthCheck
    }
}
