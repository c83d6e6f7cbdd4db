// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import Datapath
import Glibc

/// A netfilter link of one of Bulkhead's programs, found by the kernel's numbers: pinned or not, in any file system.
struct KernelLink {
    enum Place {
        /// The calling thread's network namespace.
        case here
        case elsewhere
        /// An older version created it without recording the namespace. Something is attached at its place in the hook
        /// here.
        case unknown
    }

    var number: UInt32
    var program: String
    var place: Place

    var description: String {
        let link = "netfilter link \(number) (program \(program))"
        return place == .here ? link : "\(link), which may be in this network namespace: an older version made it"
    }

    /// All links that are here, or may be.
    ///
    /// - Throws: ``DatapathError``; EPERM without CAP_SYS_ADMIN.
    static func all() throws(DatapathError) -> [KernelLink] {
        var links: [KernelLink] = []
        var number: UInt32 = 0
        while bpf_link_get_next_id(number, &number) == 0 {
            if let link = KernelLink(number), link.place != .elsewhere { links.append(link) }
        }
        guard errno == ENOENT else {
            throw .system(operation: "listing the kernel's BPF links", code: errno, detail: "")
        }
        return links
    }

    /// Detaches the program from its hook, whichever process holds or has pinned the link.
    func detach() throws(DatapathError) {
        guard let link = Self.opened(bpf_link_get_fd_by_id(number)) else { return }
        guard bpf_link_detach(link.raw) == 0 else {
            throw .system(operation: "detaching \(description)", code: errno, detail: "")
        }
    }

    /// Nil if it is gone, or is not a netfilter link of Bulkhead's.
    private init?(_ number: UInt32) {
        var (family, hook, priority, attached) = (UInt32(0), UInt32(0), Int32(0), UInt32(0))
        guard let link = Self.opened(bpf_link_get_fd_by_id(number)),
            bh_link_info(link.raw, &family, &hook, &priority, &attached) == 0,
            let program = Self.opened(bpf_prog_get_fd_by_id(attached))
        else { return nil }
        var maps = [UInt32](repeating: 0, count: 64)
        var info = bpf_prog_info()
        var size = UInt32(MemoryLayout<bpf_prog_info>.size)
        let code = maps.withUnsafeMutableBufferPointer { maps in
            info.nr_map_ids = UInt32(maps.count)
            info.map_ids = UInt64(UInt(bitPattern: maps.baseAddress))
            return bpf_obj_get_info_by_fd(program.raw, &info, &size)
        }
        guard code == 0 else { return nil }
        let name = Self.text(info.name)
        guard PacketHook.programs.contains(name) else { return nil }
        self.number = number
        self.program = name
        // A detached link still names its place.
        guard let second = Self.isTaken(family, hook, priority), second else {
            place = .elsewhere
            return
        }
        place = Self.place(of: maps.prefix(Int(min(info.nr_map_ids, 64))))
    }

    /// Whether anything is attached at that place in the calling thread's network namespace.
    private static func isTaken(_ family: UInt32, _ hook: UInt32, _ priority: Int32) -> Bool? {
        guard let program = opened(bh_load_accepting_program()) else { return nil }
        let link = bh_link_netfilter(program.raw, family, hook, priority, 0)
        if link >= 0 { close(link) }
        return link == -EBUSY || link == -EEXIST
    }

    /// By the tables that the program reads.
    private static func place(of maps: ArraySlice<UInt32>) -> Place {
        for number in maps {
            guard let map = opened(bpf_map_get_fd_by_id(number)) else { continue }
            var info = bpf_map_info()
            var size = UInt32(MemoryLayout<bpf_map_info>.size)
            guard bpf_obj_get_info_by_fd(map.raw, &info, &size) == 0, text(info.name) == "tables",
                let header = mmap(nil, 4096, PROT_READ, MAP_SHARED, map.raw, 0), header != MAP_FAILED
            else { continue }
            defer { munmap(header, 4096) }
            let noted = header.load(fromByteOffset: Generation.namespaceByte, as: UInt64.self)
            if noted == 0 { return .unknown }
            return noted == bh_network_namespace() ? .here : .elsewhere
        }
        return .unknown
    }

    private static func opened(_ descriptor: Int32) -> Descriptor? { descriptor >= 0 ? Descriptor(descriptor) : nil }

    private static func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
