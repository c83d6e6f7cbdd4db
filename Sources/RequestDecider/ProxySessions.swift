// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A connection that HAProxy passes through unread, from its answer to `show sess all`.
public struct PassedSession: Sendable, Hashable {
    /// HAProxy's name for it, for `shutdown session`.
    public var id: String
    public var source: IPAddress
    public var destination: IPAddress
    public var port: UInt16

    /// The sessions of the backend `through`. What cannot be read is left out.
    public static func read(_ answer: String) -> [PassedSession] {
        var result: [PassedSession] = []
        var id: Substring?
        var source: IPAddress?
        var destination: (address: IPAddress, port: UInt16)?
        for line in answer.split(separator: "\n") {
            if line.hasPrefix("0x"), let colon = line.firstIndex(of: ":") {
                // The name becomes part of a command.
                id = line[..<colon].dropFirst(2).allSatisfy(\.isHexDigit) ? line[..<colon] : nil
                source = line.value(of: "source").flatMap(\.endpoint)?.address
                destination = nil
            } else if line.hasPrefix("  frontend=") {
                // As the client sees it: there may be no connection with the server yet.
                destination = line.value(of: "addr").flatMap(\.endpoint)
            } else if line.hasPrefix("  backend=through "), let name = id, let source, let destination {
                result.append(
                    PassedSession(
                        id: String(name), source: source, destination: destination.address, port: destination.port))
                id = nil
            }
        }
        return result
    }
}

extension Substring {
    /// The text after `name=` up to the next space.
    fileprivate func value(of name: String) -> Substring? {
        split(separator: " ").first { $0.hasPrefix(name + "=") }?.dropFirst(name.utf8.count + 1)
    }

    /// "10.0.0.1:80" or "fd00::1:80", as HAProxy writes both: the port follows the last colon.
    fileprivate var endpoint: (address: IPAddress, port: UInt16)? {
        guard let colon = lastIndex(of: ":"), let address = try? IPAddress(self[..<colon]),
            let port = UInt16(self[index(after: colon)...])
        else { return nil }
        return (address, port)
    }
}
