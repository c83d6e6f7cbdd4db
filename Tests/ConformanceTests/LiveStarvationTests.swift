// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import Testing

extension LiveAlone {
    /// The daemon without descriptors.
    @Suite struct StarvationTests {
        private static let manifest = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: meanwhile, namespace: default}
            spec: {podSelector: {}, policyTypes: [Ingress]}
            """

        /// Processor time that a process has used so far, in seconds.
        private func used(_ pid: pid_t) throws -> Double {
            let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            let fields = stat.split(separator: ")").last.map { $0.split(separator: " ") } ?? []
            let ticks = try #require(Double(fields[11])) + #require(Double(fields[12]))
            return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        }

        @Test(arguments: NetDatapath.allCases) func whatCannotBeOpenedNowIsReadLater(datapath: NetDatapath) throws {
            try NetWorld.with(pods: ["web"]) { world in
                let folder = "\(world.directory)/manifests"
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                let daemon = try NetDaemon(in: world, datapath: datapath, options: ["--manifests", folder])
                defer { _ = try? daemon.stop() }
                func limit(_ descriptors: Int) throws {
                    _ = try NetProcess.run(["prlimit", "--pid", "\(daemon.pid)", "--nofile=\(descriptors):"])
                }
                // Not even the reserve helps: no number is free below it.
                try limit(3)
                try Self.manifest.write(toFile: "\(folder)/meanwhile.yaml", atomically: true, encoding: .utf8)
                let before = try used(daemon.pid)
                // No new client gets in now.
                #expect(throws: (any Error).self) {
                    try NetProcess.run(
                        ["curl", "-s", "--max-time", "2", "--unix-socket", daemon.socket, "http://x/v1/status"])
                }
                #expect(try used(daemon.pid) - before < 1, "it must not spin")
                try limit(1024)
                try NetClock.wait("the policy; log:\n\(daemon.log)", seconds: 20) {
                    try daemon.get("/v1/policies").contains("meanwhile")
                }
                #expect(try daemon.get("/v1/status").contains(#""healthy":true"#))
            }
        }
    }
}
