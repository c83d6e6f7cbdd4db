// SPDX-License-Identifier: Apache-2.0
import Documents
import Foundation
import KubernetesClient
import KubernetesObjects
import NetworkKit

/// Requests to a real API server by curl.
struct APIServerCurl {
    private let arguments: [String]
    private let url: String
    private let files: TemporaryFiles

    /// - Parameter access: with a token or a client certificate.
    init(_ access: ClusterAccess) throws {
        let files = try TemporaryFiles()
        func file(_ content: ClusterAccess.Content, _ name: String, _ prefix: String = "") throws -> String {
            let text =
                switch content {
                case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
                case .file(let path): try String(contentsOfFile: path, encoding: .utf8)
                }
            try files.write(prefix + text, name)
            return "\(files.path)/\(name)"
        }
        var arguments = ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]
        if let authorities = access.authorities { arguments += ["--cacert", try file(authorities, "authorities")] }
        if let certificate = access.certificate {
            arguments += ["--cert", try file(certificate.chain, "chain"), "--key", try file(certificate.key, "key")]
        }
        // Not as an argument, which every user can read.
        if let token = access.token {
            arguments += ["--header", "@\(try file(token, "token", "authorization: Bearer "))"]
        }
        guard access.plugin == nil else { throw NetError.missing("a token or certificate: tests run no plugin") }
        var named = access.server
        if let name = access.serverName {
            arguments += ["--connect-to", "\(name):\(named.port):\(named.host):\(named.port)"]
            named.host = name
        }
        self.arguments = arguments
        self.files = files
        url = "\(named)"
    }

    /// Sets an object, or the part of it that the path leads to, from YAML.
    func apply(_ text: String, at path: String) async throws {
        try await send("PATCH", "\(path)?fieldManager=test&force=true", text, type: "application/apply-patch+yaml")
    }

    /// Repeats the request until it is granted: a definition, a right or a service account may have to become known
    /// first.
    ///
    /// - Parameter orMissing: a missing object counts as success.
    @discardableResult func send(
        _ method: String, _ path: String, _ body: String = "", type: String = "application/json",
        orMissing: Bool = false
    ) async throws -> DocumentNode {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let (status, answer) = try ask(method, path, body, type)
            if 200...299 ~= status || orMissing && status == 404 {
                return answer.hasPrefix("{") ? try JSONReader.read(Array(answer.utf8)) : DocumentNode(.null)
            }
            guard [403, 404, 409, 429].contains(status) || status >= 500, ContinuousClock.now < deadline else {
                throw NetError.command("\(method) \(path)", status: Int32(status), output: "\(answer)\n\(body)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    func waitUntilMissing(_ path: String) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try ask("GET", path, "", "application/json").status != 404 {
            guard ContinuousClock.now < deadline else { throw NetError.timeout("the end of \(path)") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func ask(
        _ method: String, _ path: String, _ body: String, _ type: String
    ) throws -> (status: Int, answer: String) {
        let sent = body.isEmpty ? [] : ["--header", "content-type: \(type)", "--data-binary", "@-"]
        let process = try NetProcess(arguments + ["--request", method] + sent + ["\(url)\(path)"], input: body)
        let status = process.finish()
        guard status == 0 else { throw NetError.command("curl \(path)", status: status, output: process.output) }
        let lines = process.output.split(separator: "\n", omittingEmptySubsequences: false)
        guard let code = lines.last.flatMap({ Int($0) }) else { throw NetError.missing("a status of \(path)") }
        return (code, lines.dropLast().joined(separator: "\n"))
    }
}
