// SPDX-License-Identifier: Apache-2.0
import Documents

/// The daemon's answer to a ``ControlCall``.
public struct ControlReply: Sendable, Hashable {
    public var status: Int
    public var body: [UInt8]

    /// Bytes of a status line with all headers.
    static let headLimit = 16 << 10
    /// Bytes of a body.
    static let bodyLimit = 4 << 20

    /// Reads the bytes received so far.
    ///
    /// - Parameter isWhole: whether these are all bytes.
    /// - Returns: nil if the answer is not complete yet.
    /// - Throws: ``CNIError`` if this is not an answer of the daemon, or ended too early.
    public static func read(_ bytes: [UInt8], isWhole: Bool) throws(CNIError) -> ControlReply? {
        guard let end = headEnd(bytes) else {
            if isWhole { throw malformed(bytes.isEmpty ? "it is empty" : "its headers are incomplete") }
            if bytes.count > headLimit { throw malformed("its headers have more than \(headLimit) bytes") }
            return nil
        }
        guard end <= headLimit, let head = String(validating: bytes[..<(end - 4)], as: UTF8.self) else {
            throw malformed("its headers are too long or not UTF-8")
        }
        // A pair of carriage return and line feed is one character.
        let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let status = try status(lines[0])
        let length = try length(lines.dropFirst())
        let available = bytes.count - end
        guard available >= length else {
            if isWhole { throw malformed("its body has \(available) bytes of \(length)") }
            return nil
        }
        return ControlReply(status: status, body: Array(bytes[end..<(end + length)]))
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        var place = 3
        let limit = min(bytes.count, headLimit + 4)
        while place < limit {
            if bytes[place] == 10, bytes[place - 1] == 13, bytes[place - 2] == 10, bytes[place - 3] == 13 {
                return place + 1
            }
            place += 1
        }
        return nil
    }

    private static func status(_ line: Substring) throws(CNIError) -> Int {
        let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0] == "HTTP/1.1" || words[0] == "HTTP/1.0", words[1].utf8.count == 3,
            let status = Int(words[1]), (200...599).contains(status)
        else { throw malformed("it does not begin with an HTTP status", String(line.prefix(64))) }
        return status
    }

    private static func length(_ lines: ArraySlice<Substring>) throws(CNIError) -> Int {
        var length: Int?
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else {
                throw malformed("a header has no colon", String(line.prefix(64)))
            }
            let name = line[..<colon].lowercased()
            if name == "transfer-encoding" { throw malformed("it has chunked encoding, which the daemon does not use") }
            guard name == "content-length" else { continue }
            let text = line[line.index(after: colon)...].drop { $0 == " " }
            guard length == nil, text.utf8.count < 10, text.utf8.allSatisfy({ (48...57).contains($0) }),
                let value = Int(text), value <= bodyLimit
            else { throw malformed("its length is not valid", String(line.prefix(64))) }
            length = value
        }
        guard let length else { throw malformed("it has no content-length") }
        return length
    }

    static func malformed(_ reason: String, _ details: String = "") -> CNIError {
        CNIError(.malformedAnswer, "cannot read bulkheadd's answer: \(reason)", details: details)
    }
}

extension ControlReply {
    func json() throws(CNIError) -> DocumentNode {
        do {
            return try JSONReader.read(body, limits: CNILimits.text)
        } catch {
            throw Self.malformed("its body is not valid JSON", "\(error)")
        }
    }

    /// The error in the daemon's answer; nil if the call succeeded.
    func failure() throws(CNIError) -> Failure? {
        guard status >= 300 else { return nil }
        let error = try json()["error"]
        guard let code = error?["code"]?.string, let message = error?["message"]?.string else {
            throw Self.malformed("an error without a code and a message", "HTTP status \(status)")
        }
        var problems: [String] = []
        if case .sequence(let items) = error?["problems"]?.value {
            problems = items.prefix(8).map { "\($0["field"]?.string ?? ""): \($0["reason"]?.string ?? "")" }
        }
        return Failure(code: code, message: message, problems: problems)
    }

    struct Failure {
        var code: String
        var message: String
        var problems: [String]

        func error() -> CNIError {
            // The next attempt may succeed: the object becomes known, the kernel is programmed, the next daemon starts.
            let mayPass = ["deadline_exceeded", "datapath_failed", "stopping"].contains(code)
            return CNIError(
                mayPass ? .tryAgainLater : .refused, message,
                details: problems.isEmpty ? "bulkheadd: \(code)" : problems.joined(separator: "; "))
        }
    }
}
