// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The certificates of authorities that this machine trusts, in the places where swift-nio-ssl looks for them
/// (LinuxCABundle.swift).
package struct SystemAuthorities {
    private let files: [String]
    private let directory: String

    package init(
        files: [String] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"],
        directory: String = "/etc/ssl/certs"
    ) {
        self.files = files
        self.directory = directory
    }

    /// - Throws: ``AccessError`` if there are none. A connection would fail as well, but would not say why.
    package func require(for source: String) throws(AccessError) {
        guard files.contains(where: isFile) || !isEmpty(directory) else {
            throw AccessError(
                source: source,
                reason: "names no certificate-authority, and this machine has no certificates of authorities (looked "
                    + "at \((files + [directory]).joined(separator: ", "))). Give a certificate-authority, or install "
                    + "the package ca-certificates")
        }
    }

    private func isFile(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG && facts.st_size > 0
    }

    private func isEmpty(_ path: String) -> Bool {
        guard let stream = opendir(path) else { return true }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            // Not "." or "..".
            if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { return false }
        }
        return true
    }
}
