// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetworkKit
import Testing

/// A thread in a network namespace of its own, with a BPF file system of its own. Needs root, and fails without.
enum PrivateKernel {
    static func run<Value>(_ body: (_ bpffs: String) throws -> Value) throws -> Value {
        var template = Array("/tmp/bulkhead-ebpf-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw KernelFailure(operation: "mkdtemp", code: errno) }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { rmdir(directory) }
        return try NetThread.run {
            let code = bh_enter_private_kernel(directory)
            guard code == 0 else {
                throw KernelFailure(operation: "namespaces and bpffs (kernel tests need root)", code: -code)
            }
            return try body(directory)
        }
    }
}

struct KernelFailure: Error, CustomStringConvertible {
    var operation: String
    var code: Int32
    var description: String { "\(operation): \(String(cString: strerror(code)))" }
}
