// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Reads files side by side on all processors. Each file is read as it would be alone.
enum ConcurrentReading {
    /// Files with fewer bytes are not worth a thread.
    private static let worthwhile = 1 << 16

    /// The documents of large files, by name. None if fewer than two are large.
    static func documents(
        of files: [String: ManifestFile], _ reader: ManifestReader
    ) -> [String: [ManifestDocument]] {
        var large: [(name: String, bytes: [UInt8])] = []
        for case (let name, .content(let bytes)) in files where bytes.count >= worthwhile {
            large.append((name, bytes))
        }
        guard large.count > 1 else { return [:] }
        // The largest first: a thread that begins with it last would keep the others waiting.
        large.sort { $0.bytes.count > $1.bytes.count }
        let files = large
        let read = Mutex<[String: [ManifestDocument]]>([:])
        DispatchQueue.concurrentPerform(iterations: files.count) { index in
            let documents = reader.read(files[index].bytes, file: files[index].name)
            read.withLock { $0[files[index].name] = documents }
        }
        return read.withLock { $0 }
    }
}
