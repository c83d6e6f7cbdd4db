// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import NetworkTypes
import RequestPolicy
import Requests

/// Any bytes as the daemon's lines of a policy: read or refused, the same in whatever pieces; a line that is read is
/// written and read alike; and what lines build up holds its limits, reads back from its own snapshot, and answers.
///
/// The first byte says where to cut.
private func fuzzRequestPolicy(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first else { return 0 }
    let text = bytes.dropFirst()
    let cut = text.startIndex + min(Int(first), text.count)
    let whole = read([text])
    precondition(whole == read([text[..<cut], text[cut...]]))
    let lines = text.split(separator: UInt8(ascii: "\n")).compactMap { readAlike(Array($0)) }
    follow(lines)
    return 0
}

private struct Result: Equatable {
    var policy: RequestPolicy?
    var error: RequestPolicyError?
}

private func read(_ pieces: [ArraySlice<UInt8>]) -> Result {
    var lines = RequestPolicyLines()
    do throws(RequestPolicyError) {
        for piece in pieces { _ = try lines.read(piece) }
        return Result(policy: lines.reader.policy)
    } catch {
        _ = error.description
        return Result(policy: lines.reader.policy, error: error)
    }
}

private func readAlike(_ bytes: [UInt8]) -> RequestPolicyLine? {
    guard let line = try? RequestPolicyLine(json: bytes) else { return nil }
    var written: [UInt8] = []
    line.append(to: &written)
    precondition(written.count { $0 == UInt8(ascii: "\n") } == 1 && written.last == UInt8(ascii: "\n"))
    precondition((try? RequestPolicyLine(json: Array(written.dropLast()))) == line)
    return line
}

/// As if each commit had the checksum of what is held: no input could guess it.
private func follow(_ lines: [RequestPolicyLine]) {
    let limits = RequestPolicyReader.Limits(sources: 20, rules: 20, endpoints: 4)
    var reader = RequestPolicyReader(limits: limits)
    do throws(RequestPolicyError) {
        for line in lines {
            if case .commit(let generation, _) = line {
                try commit(&reader, generation)
            } else {
                _ = try reader.read(line)
            }
        }
        try commit(&reader, 1)
    } catch {
        // Of no more use, and what was known before stays.
    }
    guard let policy = reader.policy else { return }
    precondition(policy.sources.hosts.count + policy.sources.prefixes.count <= limits.sources)
    precondition(policy.programs.values.reduce(0) { $0 + $1.rules.count + $1.auditRules.count } <= limits.rules)
    precondition(policy.endpoints.count <= limits.endpoints)
    precondition((try? RequestPolicyLines.policy(in: RequestPolicyChange(policy).bytes)) == policy)
    for endpoint in policy.endpoints.values { ask(policy, endpoint) }
}

private func commit(_ reader: inout RequestPolicyReader, _ generation: UInt64) throws(RequestPolicyError) {
    var probe = reader
    guard let none = RequestPolicyChecksum(String(repeating: "0", count: 32)) else { preconditionFailure() }
    do throws(RequestPolicyError) {
        _ = try probe.read(.commit(generation: generation, checksum: none))
    } catch .checksum(_, let found) {
        guard try reader.read(.commit(generation: generation, checksum: found)) else { preconditionFailure() }
        return
    }
    // It holds nothing, whose checksum is zero.
    reader = probe
}

private func ask(_ policy: RequestPolicy, _ endpoint: RequestEndpoint) {
    let request = HTTPRequest(method: "GET", host: "h", path: "/a/../b", headers: ["x": "a"])
    for address in endpoint.addresses {
        for source in Array(policy.sources.hosts.keys) + [IPAddress(v4: 1), address] {
            let flow = policy.answer(from: source, to: address, port: 80)
            let answer = policy.answer(from: source, to: address, port: 80, request)
            switch flow {
            case .pass: precondition(answer.verdict == .allow)
            case .deny: precondition(answer.verdict == .deny)
            case .ask: break
            case .unknown: preconditionFailure("an endpoint that is known")
            }
        }
    }
}

@main enum RequestPolicyFuzz {
    static func main() { exit(fuzz(fuzzRequestPolicy)) }
}
