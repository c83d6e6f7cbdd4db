// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import Datapath
import Glibc

/// A file descriptor that is closed with its owner.
struct Descriptor: ~Copyable {
    let raw: Int32
    init(_ raw: Int32) { self.raw = raw }
    deinit { close(raw) }

    /// The descriptor, which the caller must close.
    consuming func take() -> Int32 {
        let taken = raw
        discard self
        return taken
    }
}

/// An embedded BPF object, loaded into the kernel; it provides its maps and programs as descriptors.
package struct LoadedObject: ~Copyable {
    private let object: OpaquePointer

    private init(opened object: OpaquePointer) { self.object = object }

    /// - Parameters:
    ///   - prepare: called for each map before it is created; answers 0 or -errno.
    ///   - prepareProgram: called for each program before it is loaded.
    static func load(
        _ embedded: StaticString, prepare: (_ name: String, _ map: OpaquePointer) -> Int32 = { _, _ in 0 },
        prepareProgram: (_ program: OpaquePointer) -> Void = { _ in }
    ) throws(DatapathError) -> LoadedObject {
        bh_log_start()
        let bytes = decodeBase64(embedded)
        guard let opened = bytes.withUnsafeBytes({ bpf_object__open_mem($0.baseAddress, $0.count, nil) }) else {
            throw failure("opening the BPF object", errno)
        }
        let loaded = LoadedObject(opened: opened)
        loaded.setProgramTypes(prepareProgram)
        var map = bpf_object__next_map(opened, nil)
        while let current = map {
            let code = prepare(String(cString: bpf_map__name(current)), current)
            guard code == 0 else { throw failure("sizing a BPF map", -code) }
            map = bpf_object__next_map(opened, current)
        }
        let code = bpf_object__load(opened)
        guard code == 0 else { throw loadFailure(-code) }
        return loaded
    }

    private func setProgramTypes(_ prepare: (_ program: OpaquePointer) -> Void) {
        // Newer than the libbpf of the oldest supported distribution.
        let (netfilterType, netfilterAttach) = (bpf_prog_type(32), bpf_attach_type(45))
        var program = bpf_object__next_program(object, nil)
        while let current = program {
            bpf_program__set_type(current, netfilterType)
            bpf_program__set_expected_attach_type(current, netfilterAttach)
            prepare(current)
            program = bpf_object__next_program(object, current)
        }
    }

    deinit { bpf_object__close(object) }

    private static func failure(_ operation: String, _ code: Int32) -> DatapathError {
        .system(operation: operation, code: code, detail: lastWords(of: String(cString: bh_log_text())))
    }

    private static func loadFailure(_ code: Int32) -> DatapathError {
        let log = String(cString: bh_log_text())
        switch code {
        case EPERM:
            return .unsupported(
                what: "loading BPF programs is not permitted", remedy: "grant CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN")
        // ENOTSUPP, which C libraries hide.
        case 524:
            return .unsupported(
                what: "this kernel does not JIT-compile BPF programs that call kernel functions",
                remedy: "set the sysctl net.core.bpf_jit_enable to 1")
        case ESRCH, ENOENT:
            return .unsupported(
                what: "this kernel lacks functions that the BPF programs call (\(lastWords(of: log)))",
                remedy: "use Linux 6.4 or later with CONFIG_DEBUG_INFO_BTF and CONFIG_NETFILTER_BPF_LINK")
        default:
            return .system(operation: "loading the BPF programs", code: code, detail: lastWords(of: log))
        }
    }

    /// The part of the messages of libbpf and the verifier that explains the failure to a person: the program's name
    /// and the last lines of the verifier's log, without its statistics.
    package static func lastWords(of log: String) -> String {
        let lines = log.split(separator: "\n").map(String.init)
        guard let end = lines.lastIndex(where: { $0.contains("END PROG LOAD LOG") }) else {
            return lines.suffix(lineLimit).joined(separator: " | ")
        }
        let name = lines[..<end].last { $0.contains("BPF program load failed") }
        let verifier = lines[..<end].filter { line in
            !line.contains("LOAD LOG") && !line.contains("BPF program load failed")
                && !statistics.contains { line.hasPrefix($0) }
        }
        return ([name].compactMap(\.self) + verifier.suffix(lineLimit)).joined(separator: " | ")
    }

    private static let lineLimit = 6
    /// The beginnings of the verifier's last lines, whether it accepts a program or not.
    private static let statistics = ["processed ", "verification time", "stack depth"]

    /// A separate descriptor of a map.
    func map(_ name: String) throws(DatapathError) -> Descriptor {
        try Self.duplicate(bpf_object__find_map_fd_by_name(object, name), name)
    }

    func program(_ name: String) throws(DatapathError) -> Descriptor {
        guard let program = bpf_object__find_program_by_name(object, name) else {
            throw .corrupt("the BPF object has no program \(name)")
        }
        return try Self.duplicate(bpf_program__fd(program), name)
    }

    private static func duplicate(_ descriptor: Int32, _ name: String) throws(DatapathError) -> Descriptor {
        let copy = descriptor < 0 ? -1 : bh_duplicate(descriptor)
        guard copy >= 0 else { throw .system(operation: "taking the descriptor of \(name)", code: errno, detail: "") }
        return Descriptor(copy)
    }
}
