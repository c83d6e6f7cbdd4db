// SPDX-License-Identifier: Apache-2.0
import Reachability

/// Names for suggested policies: valid whatever the workload is called, different for different workloads.
enum SuggestedName {
    private static let limit = 200

    static func of(_ code: PostureCode, _ workload: WorkloadKey) -> String {
        let written = "\(workload.namespace)-\(workload.kind)-\(workload.name)".lowercased()
        var plain = ""
        for byte in written.utf8 {
            let isPlain = (97...122).contains(byte) || (48...57).contains(byte)
            plain.unicodeScalars.append(isPlain ? Unicode.Scalar(byte) : "-")
        }
        // The parts can have hyphens, so that other workloads have the same words.
        return "bulkhead-\(code.rawValue.lowercased())-\(plain.prefix(limit))-\(hash(workload))"
    }

    /// FNV-1a.
    private static func hash(_ workload: WorkloadKey) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(workload.namespace)/\(workload.kind)/\(workload.name)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return String(hash, radix: 16)
    }
}
