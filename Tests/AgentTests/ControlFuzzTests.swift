// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Glibc
import Testing
import WorldKit

/// Requests that are wrong in random ways. The daemon answers each with a status or an end, changes nothing by a
/// request that it refuses, and goes on. BULKHEAD_FUZZ_REQUESTS sets how many; BULKHEAD_FUZZ_SEED repeats a run. One
/// test at a time: each keeps a core busy for seconds, and those that judge by time run at the same time.
@Suite(.serialized) struct ControlFuzzTests {
    private static func setting(_ name: String, otherwise: UInt64) -> UInt64 {
        getenv(name).flatMap { UInt64(String(cString: $0)) } ?? otherwise
    }

    @Test func randomRequestsDoNoHarm() async throws {
        let seed = Self.setting("BULKHEAD_FUZZ_SEED", otherwise: 1)
        let count = Self.setting("BULKHEAD_FUZZ_REQUESTS", otherwise: 400)
        var random = SplitMix64(seed: seed)
        try await SocketFixture.serve { fixture in
            for number in 0..<count {
                let bytes = Self.request(&random)
                let before = await fixture.agent.status()
                let answer = try await onOwnThread {
                    let client = try RawClient(fixture.path)
                    client.send(bytes)
                    client.endSending()
                    return client.receiveAll()
                }
                guard !answer.isEmpty else { continue }
                let status = try RawAnswer(answer).status
                #expect((200..<504).contains(status) && status != 500, "seed \(seed), request \(number)")
                if status >= 400 {
                    let after = await fixture.agent.status()
                    #expect(after.pushed == before.pushed, "seed \(seed), request \(number)")
                }
            }
            let status = try await fixture.call("GET", "/v1/status")
            #expect(status.status == 200)
        }
    }

    private static let bodies = [
        AgentFixture.policy,
        #"{"generation":"1","counts":[{"verdict":"allow","requests":18446744073709551615}],"refused":{},"denied":[]}"#,
        "{}", "[]", #"{"endpoints":[]}"#,
        #"{"endpoints":[{"name":"a","addresses":["10.9.0.1"],"ingress":{"default":"deny","rules":[{"action":"allow"}]}}]}"#,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: mine}", #"{"items":["#, "a: &a [*a]",
        "--- ---\n...\n%YAML 9",
        String(repeating: "[", count: 5000), String(repeating: "a: {", count: 500),
    ]

    private static func request(_ random: inout SplitMix64) -> [UInt8] {
        let endless: Set<ControlPath> = [.events, .requestsFollow]
        let paths =
            ControlPath.allCases.filter { !endless.contains($0) }.map(\.rawValue) + ["/", "/v1", "*", "//", "/v1/%00"]
        let queries = [
            "", "?", "?from=a", "?kind=Pod&namespace=&name=%zz", "?from=shop/web&to=shop/redis&port=1", "?&&==",
            "?from=shop/web&to=shop/redis&port=1&method=%00&path=/%2e&header=a:b&header=c",
        ]
        let methods = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "X"]
        var bytes = SocketFixture.request(
            random.pick(methods), random.pick(paths) + random.pick(queries),
            random.next() % 2 == 0 ? nil : random.pick(bodies))
        for _ in 0..<(random.next() % 4) where !bytes.isEmpty {
            let place = Int(random.next() % UInt64(bytes.count))
            switch random.next() % 4 {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes.remove(at: place)
            case 2: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            default: bytes.removeLast(bytes.count - place)
            }
        }
        return bytes
    }
}

extension SplitMix64 {
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[Int(next() % UInt64(elements.count))] }
}
