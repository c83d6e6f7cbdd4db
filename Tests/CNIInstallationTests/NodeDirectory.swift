// SPDX-License-Identifier: Apache-2.0
import CNIInstallation
import ChainedCNI
import Glibc
import Testing

/// A node's two directories, with a program to copy. Removed with the last reference to it.
final class NodeDirectory: Sendable {
    let path: String
    var binaries: String { path + "/bin" }
    var configurations: String { path + "/net.d" }
    var program: String { path + "/bulkhead-cni" }
    let settings = PluginSettings(socket: "/run/bulkhead/s")
    var installation: PluginInstallation {
        PluginInstallation(binaryDirectory: binaries, configurationDirectory: configurations)
    }

    init() throws {
        var template = Array("/tmp/bulkhead-test-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? ""
        try #require(!path.isEmpty)
        mkdir(binaries, 0o755)
        mkdir(configurations, 0o755)
        try write("program one", to: program)
    }

    deinit {
        for folder in [binaries, configurations, path] {
            for name in (try? names(in: folder)) ?? [] { unlink("\(folder)/\(name)") }
            rmdir(folder)
        }
    }

    /// As an installer of a CNI does it: into place in one step.
    func put(_ name: String, _ text: String) throws {
        try write(text, to: path + "/new")
        try #require(rename(path + "/new", "\(configurations)/\(name)") == 0)
    }

    func text(_ name: String) throws -> String { try read("\(configurations)/\(name)") }

    var configurationNames: [String] { get throws { try names(in: configurations) } }

    func install() throws -> PluginInstallation.Outcome {
        try installation.install(program: program, settings: settings)
    }

    func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        try #require(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }

    func read(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0, "\(path)")
        defer { close(descriptor) }
        let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    private func names(in folder: String) throws -> [String] {
        let stream = try #require(opendir(folder))
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static let list = """
        {
          "cniVersion": "0.3.1",
          "name": "kindnet",
          "plugins": [
            {"type": "ptp", "ipam": {"type": "host-local"}},
            {"type": "portmap"}
          ]
        }

        """
    static let single = #"{"cniVersion":"0.4.0","name":"mynet","type":"bridge","isGateway":true}"#
}
