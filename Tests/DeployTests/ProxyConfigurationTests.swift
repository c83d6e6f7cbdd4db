// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import RequestDecider
import RequestPolicy
import SPOP
import Testing

/// What HAProxy is configured to do is what `bulkhead-http` expects; needs HAProxy.
@Suite struct ProxyConfigurationTests {
    private static let folder = Kustomization.repository.appending(path: "deploy/requests")
    private let haproxy: String
    private let spoe: String

    init() throws {
        haproxy = try String(contentsOf: Self.folder.appending(path: "haproxy.cfg"), encoding: .utf8)
        spoe = try String(contentsOf: Self.folder.appending(path: "spoe.cfg"), encoding: .utf8)
    }

    @Test func addressesAreTheDefaultsOfTheProgram() throws {
        let (decide, prepare) = (
            try ProgramOptions("bulkhead-http", "decide"), try ProgramOptions("bulkhead-http", "prepare")
        )
        let port = try #require(prepare.defaults["--port"])
        for bind in ["bind 127.0.0.1:\(port) transparent\n", "bind [::1]:\(port) transparent v6only\n"] {
            #expect(haproxy.contains(bind))
        }
        // The third is HAProxy's own, for what it takes up again.
        #expect(haproxy.contains("    bind unix@/run/bulkhead-http/late.sock mode 600 accept-proxy\n"))
        #expect(haproxy.ranges(of: " bind ").count == 3)
        #expect(haproxy.contains("server decider unix@\(try #require(decide.defaults["--spop-socket"]))\n"))
        #expect(haproxy.contains("stats socket \(try #require(decide.defaults["--haproxy-socket"])) "))
        #expect(haproxy.contains("log 127.0.0.1:\(try #require(decide.defaults["--log-port"])) "))
        // What both write lies in the volume that both have.
        let pod = try Kustomization(
            Kustomization.repository.appending(path: "deploy"), adding: [Self.folder]
        ).pod(named: "bulkhead-http")
        func mounts(_ name: String) -> [String: String] {
            let container = pod.containers.first { $0["name"]?.string == name }
            return (container?["volumeMounts"]?.sequence ?? []).reduce(into: [:]) { result, mount in
                result[mount["name"]?.string ?? ""] = mount["mountPath"]?.string
            }
        }
        let shared = try #require(mounts("decider")["shared"])
        #expect(mounts("haproxy")["shared"] == shared)
        for option in ["--spop-socket", "--haproxy-socket", "--policy-file"] {
            #expect(decide.defaults[option]?.hasPrefix(shared + "/") == true, "\(option)")
        }
        let configuration = try #require(mounts("haproxy")["configuration"])
        #expect(
            haproxy.ranges(of: "config \(configuration)/spoe.cfg\n").count == haproxy.ranges(of: "filter spoe").count)
    }

    /// HAProxy itself reads it, without a warning. Its own check must fail on a line that it does not know.
    @Test(arguments: [("", Int32(0)), ("\nno-such-line\n", 1)]) func haproxyReadsIt(added: String, status: Int32) throws
    {
        let directory = FileManager.default.temporaryDirectory.appending(path: "bulkhead-test-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        var text = haproxy + added
        for path in ["/run/bulkhead-http", "/etc/bulkhead-http"] { text = text.replacing(path, with: directory.path) }
        try text.write(to: directory.appending(path: "haproxy.cfg"), atomically: true, encoding: .utf8)
        try spoe.write(to: directory.appending(path: "spoe.cfg"), atomically: true, encoding: .utf8)
        try FileManager.default.copyItem(
            at: Self.folder.appending(path: "late.lua"), to: directory.appending(path: "late.lua"))
        let process = try NetProcess(["haproxy", "-c", "-f", directory.appending(path: "haproxy.cfg").path])
        #expect(try process.wait() == status, "\(process.output)")
        #expect(process.output.contains("WARNING") == false, "\(process.output)")
    }

    /// The messages of spoe.cfg: name, and each argument with what HAProxy takes it from.
    private var messages: [(name: String, arguments: [(name: String, sample: String)])] {
        spoe.components(separatedBy: "\nspoe-message ").dropFirst().map { text in
            let lines = text.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            let words = lines.first { $0.hasPrefix("args ") }?.split(separator: " ").dropFirst() ?? []
            let arguments = words.map { word in
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                return (name: parts[0], sample: parts.count == 2 ? parts[1] : "")
            }
            return (lines[0], arguments)
        }
    }

    /// A value of the type that HAProxy sends for a sample.
    private static func value(_ sample: String) throws -> SPOPValue {
        switch sample {
        case "src", "dst": .ipv4(0x0a00_0001)
        case "src_port", "dst_port": .int32(80)
        case "method": .text("GET")
        case "url": .text("/")
        case "req.fhdr(host)": .text("shoes")
        case "req.hdrs_bin": .binary([0, 0])
        default: throw UnknownSample(sample: sample)
        }
    }

    private struct UnknownSample: Error { var sample: String }

    /// The decider reads each message, and misses each argument that is left out, but for those of requests without.
    @Test func messagesAreTheOnesThatTheDeciderReads() throws {
        #expect(messages.map(\.name) == ["flow", "request", "headers"])
        for message in messages {
            let arguments = try message.arguments.map {
                SPOPMessage.Argument(name: $0.name, value: try Self.value($0.sample))
            }
            #expect(isRead(SPOPMessage(name: message.name, arguments: arguments)), "\(message.name)")
            for index in arguments.indices where !["host", "headers"].contains(arguments[index].name) {
                var fewer = arguments
                fewer.remove(at: index)
                #expect(!isRead(SPOPMessage(name: message.name, arguments: fewer)), "\(arguments[index].name)")
            }
        }
    }

    /// A decider without a policy counts why it refuses each question.
    private func isRead(_ message: SPOPMessage) -> Bool {
        var decider = RequestDecider()
        _ = decider.answer(message) { "" }
        return decider.counters.takeUntold(generation: 0)?.refused.keys.sorted() == ["no policy is known yet"]
    }

    /// HAProxy names a variable after its scope, the engine's prefix and the answer's own name.
    @Test func verdictsAreTheVariablesThatHAProxyAsksFor() throws {
        var expected: Set<String> = []
        for message in messages {
            let arguments = try message.arguments.map {
                SPOPMessage.Argument(name: $0.name, value: try Self.value($0.sample))
            }
            var decider = RequestDecider()
            let answer = decider.answer(SPOPMessage(name: message.name, arguments: arguments)) { "" }
            let engine = message.name == "flow" ? "flow" : "request"
            #expect(
                spoe.contains("[\(engine)]\nspoe-agent \(engine)\n") && spoe.contains("option var-prefix \(engine)\n"))
            for variable in answer.variables {
                let scope = variable.scope == .session ? "sess" : "txn"
                expected.insert("\(scope).\(engine).\(variable.name)")
            }
        }
        let asked = Set((haproxy + spoe).matches(of: /var\(([a-z.]+)\)/).map { String($0.1) })
        #expect(asked.subtracting(["sess.why", "sess.late"]) == expected)
    }
}
