// SPDX-License-Identifier: Apache-2.0
import Glibc
import PolicySources

/// A file in which something outlives the daemon. It lies beside the control socket, on a file system in memory like
/// the pinned tables, so that both go with a reboot.
struct KeptFile {
    let path: String
    /// What is in it, for messages.
    let content: String

    var exists: Bool { access(path, F_OK) == 0 }

    /// Replaces the file as a whole, or leaves it as it is.
    func replace(with bytes: [UInt8]) throws(KeptFileError) {
        let temporary = path + ".new"
        let descriptor = DescriptorReserve.shared.open {
            open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        }
        guard descriptor >= 0 else { throw failure() }
        defer {
            close(descriptor)
            DescriptorReserve.shared.refill()
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure() }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure() }
    }

    /// Does what reads or writes the file, and says of any other error that the file has it.
    func attempt<Value>(_ body: () throws -> Value) throws(KeptFileError) -> Value {
        do {
            return try body()
        } catch let error as KeptFileError {
            throw error
        } catch {
            throw failure("\(error)")
        }
    }

    private func failure() -> KeptFileError { failure(String(cString: strerror(errno))) }

    func failure(_ reason: String) -> KeptFileError { KeptFileError(path: path, content: content, reason: reason) }
}

/// Why something kept cannot be read or written.
public struct KeptFileError: Error, CustomStringConvertible {
    public var path: String
    /// What is kept there.
    public var content: String
    public var reason: String
    public var description: String {
        "\(content), kept in \(path): \(reason); remove the file to go on without"
    }
}
