// SPDX-License-Identifier: Apache-2.0
import Glibc
import WatchedFiles

/// The manifests of one directory on disk: `*.yaml`, `*.yml`, `*.json`, not hidden, not in directories below.
struct ManifestFolder {
    var path: String
    var limits: ManifestLimits

    /// Whether a file with this name is a manifest. Editors' temporary files are not: they are hidden, or have another
    /// extension, or begin with `#`.
    static func isManifest(_ name: String) -> Bool {
        guard let first = name.first, first != ".", first != "#" else { return false }
        return [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }

    /// Names of all manifests, sorted.
    func names() throws(FileAccessError) -> [String] {
        let descriptor = DescriptorReserve.shared.open { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileAccessError(path, "open") }
        defer { DescriptorReserve.shared.refill() }
        guard let directory = fdopendir(descriptor) else {
            let error = FileAccessError(path, "fdopendir")
            close(descriptor)
            throw error
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if Self.isManifest(name) { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether there are directories that both ``names()`` and ``namesBelow()`` leave out.
    func hasFolders() -> Bool { !folders().isEmpty }

    /// Names of all manifests here and in directories below, as paths from here, sorted. Links to directories are not
    /// followed and hidden directories are left out, so a tree cannot be endless.
    func namesBelow() throws(FileAccessError) -> [String] {
        var names = try names()
        for folder in folders() {
            let below = ManifestFolder(path: "\(path)/\(folder)", limits: limits)
            names += try below.namesBelow().map { "\(folder)/\($0)" }
        }
        return names.sorted()
    }

    private func folders() -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var status = stat()
            guard name.first != ".", lstat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                continue
            }
            names.append(name)
        }
        return names.sorted()
    }

    /// The present file under `name`. Directories, pipes and devices are not manifests: they count as removed.
    func read(_ name: String) -> ManifestFile { Self.readFile("\(path)/\(name)", limits: limits) }

    static func readFile(_ path: String, limits: ManifestLimits) -> ManifestFile {
        // Non-blocking: a pipe of that name must not block everything.
        let descriptor = DescriptorReserve.shared.open { open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) }
        guard descriptor >= 0 else {
            let error = FileAccessError(path, "open")
            return error.errorNumber == ENOENT ? .removed : unreadable(error)
        }
        defer {
            close(descriptor)
            DescriptorReserve.shared.refill()
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return unreadable(.init(path, "fstat")) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .removed }
        guard status.st_size <= limits.fileSize else {
            return .unreadable(reason: "\(status.st_size) bytes exceed the limit of \(limits.fileSize)")
        }
        return readAll(descriptor, path: path, sizeHint: Int(status.st_size), limit: limits.fileSize)
    }

    /// A file that a user names: a pipe or a device is read to its end, however long that takes. `-` is standard input.
    static func readNamed(_ path: String, limits: ManifestLimits) -> ManifestFile {
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let error = FileAccessError(path, "open")
            return error.errorNumber == ENOENT
                ? .unreadable(reason: "there is no such file or directory") : unreadable(error)
        }
        defer { close(descriptor) }
        return readAll(descriptor, path: path, sizeHint: 1 << 16, limit: limits.fileSize)
    }

    private static func readAll(_ descriptor: Int32, path: String, sizeHint: Int, limit: Int) -> ManifestFile {
        var bytes: [UInt8] = []
        var isAtEnd = false
        var failure: FileAccessError?
        while !isAtEnd, failure == nil, bytes.count <= limit {
            let room = max(sizeHint + 1 - bytes.count, 4096)
            bytes.append(
                contentsOf: [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                    let got = Glibc.read(descriptor, buffer.baseAddress, room)
                    if got < 0, errno != EINTR { failure = FileAccessError(path, "read") }
                    isAtEnd = got == 0
                    count = max(got, 0)
                })
        }
        if let failure { return unreadable(failure) }
        return bytes.count > limit ? .unreadable(reason: "more than the limit of \(limit) bytes") : .content(bytes)
    }

    private static func unreadable(_ error: FileAccessError) -> ManifestFile {
        let reason = "cannot be read: \(error.call): \(String(cString: strerror(error.errorNumber)))"
        return error.mayPass
            ? .unreadable(reason: "\(reason) (retrying)", mayPass: true) : .unreadable(reason: reason)
    }
}
