// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import RequestDecider

/// Any bytes as a line of HAProxy's log and as its list of sessions: a reason is one of few, and a session's name is
/// safe in a command.
private func fuzzProxyText(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    if let reason = ProxyReport.reason(of: text) {
        precondition(text.contains("refused"))
        precondition(reason.utf8.count < 100 && !reason.contains("\n"))
    }
    let sessions = PassedSession.read(text)
    precondition(sessions.count <= text.utf8.count { $0 == UInt8(ascii: "\n") } / 2)
    for session in sessions {
        precondition(session.id.hasPrefix("0x"))
        precondition(session.id.utf8.dropFirst(2).allSatisfy { Character(Unicode.Scalar($0)).isHexDigit })
    }
    return 0
}

@main enum ProxyTextFuzz {
    static func main() { exit(fuzz(fuzzProxyText)) }
}
