// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

/// What a shell completes with names that the daemon knows. Without a daemon there are none: no message may disturb the
/// line that is being typed.
enum DaemonNames {
    /// `namespace/pod` of this node; with `-n` also the names alone.
    static let pods = CompletionKind.custom { words, _, prefix in
        await names(prefix) { try await podNames(client(words), in: namespace(words)) }
    }

    /// `namespace/name`, or the name of a cluster-wide policy; with `-n` also the names alone.
    static let policies = CompletionKind.custom { words, _, prefix in
        await names(prefix) { try await policyNames(client(words), in: namespace(words)) }
    }

    /// `networkpolicy/name` of the policies that `delete` can name.
    static let applied = CompletionKind.custom { words, _, prefix in
        await names(prefix) {
            let namespace = namespace(words) ?? "default"
            let answer = try await client(words).ask(PoliciesAnswer.self, .get, .policies)
            return answer.policies.filter {
                $0.origin == "socket" && ($0.namespace.isEmpty || $0.namespace == namespace)
            }.map { "\($0.kind.lowercased())/\($0.name)" }
        }
    }

    /// The namespaces of this node's pods and of all policies.
    static let namespaces = CompletionKind.custom { words, _, prefix in
        await names(prefix) {
            let client = client(words)
            let pods = try await client.ask(EndpointsAnswer.self, .get, .endpoints).endpoints.map(\.namespace)
            let policies = try await client.ask(PoliciesAnswer.self, .get, .policies).policies.map(\.namespace)
            return (pods + policies).filter { !$0.isEmpty }
        }
    }

    private static func podNames(_ client: ControlClient, in namespace: String?) async throws -> [String] {
        let answer = try await client.ask(EndpointsAnswer.self, .get, .endpoints)
        return answer.endpoints.flatMap { names($0.namespace, $0.name, in: namespace) }
    }

    private static func policyNames(_ client: ControlClient, in namespace: String?) async throws -> [String] {
        let answer = try await client.ask(PoliciesAnswer.self, .get, .policies)
        return answer.policies.flatMap { names($0.namespace, $0.name, in: namespace) }
    }

    private static func names(_ owner: String, _ name: String, in namespace: String?) -> [String] {
        if owner.isEmpty { return [name] }
        return owner == namespace ? [name, "\(owner)/\(name)"] : ["\(owner)/\(name)"]
    }

    /// A person waits for the next character meanwhile.
    private static let patience = Duration.seconds(1)

    /// What `ask` finds in time, without what a shell could misread.
    private static func names(
        _ prefix: String, _ ask: @escaping @Sendable () async throws -> [String]
    ) async -> [String] {
        let (answers, answer) = AsyncStream.makeStream(of: [String].self)
        let asking = Task { answer.yield((try? await ask()) ?? []) }
        let waiting = Task {
            try await Task.sleep(for: patience)
            answer.yield([])
        }
        defer {
            asking.cancel()
            waiting.cancel()
        }
        for await names in answers {
            return Set(names).filter { $0.hasPrefix(prefix) && $0.utf8.allSatisfy(isPlain) }.sorted()
        }
        return []
    }

    /// The characters of Kubernetes' names, and the slash between two.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (48...57).contains(byte) || "-./".utf8.contains(byte)
    }

    /// The daemon that the words typed so far name.
    private static func client(_ words: [String]) -> ControlClient {
        ControlClient(socketPath: value(of: ["--socket"], in: words) ?? SocketOptions.usualPath, timeout: 1)
    }

    private static func namespace(_ words: [String]) -> String? { value(of: ["-n", "--namespace"], in: words) }

    private static func value(of options: [String], in words: [String]) -> String? {
        for (index, word) in words.enumerated().reversed() {
            if options.contains(word), index + 1 < words.count { return words[index + 1] }
            if let option = options.first(where: { word.hasPrefix("\($0)=") }) {
                return String(word.dropFirst(option.count + 1))
            }
        }
        return nil
    }
}
