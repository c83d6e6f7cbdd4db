// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Datapath
import Glibc

/// What a loaded program is: the kernel's hash of its instructions, and the maps that they refer to.
struct ProgramIdentity {
    var number: UInt32
    /// Without the numbers of maps: equal for the same instructions over other maps.
    var tag: UInt64
    var maps: Set<UInt32>

    /// More than any of Bulkhead's programs has.
    private static let mapLimit = 64

    init(_ program: Int32) throws(DatapathError) {
        var maps = [UInt32](repeating: 0, count: Self.mapLimit)
        var info = bpf_prog_info()
        var size = UInt32(MemoryLayout<bpf_prog_info>.size)
        let code = maps.withUnsafeMutableBufferPointer { maps in
            info.nr_map_ids = UInt32(maps.count)
            info.map_ids = UInt64(UInt(bitPattern: maps.baseAddress))
            return bpf_obj_get_info_by_fd(program, &info, &size)
        }
        guard code == 0 else { throw .system(operation: "reading a program's facts", code: errno, detail: "") }
        number = info.id
        tag = withUnsafeBytes(of: info.tag) { $0.loadUnaligned(as: UInt64.self) }
        self.maps = Set(maps.prefix(min(Int(info.nr_map_ids), Self.mapLimit)))
    }

    /// As `bpftool prog` shows it.
    var tagText: String {
        let digits = String(tag.bigEndian, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The kernel's number of a map.
    static func mapNumber(_ map: Int32) throws(DatapathError) -> UInt32 {
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        guard bpf_obj_get_info_by_fd(map, &info, &size) == 0 else {
            throw .system(operation: "reading a map's number", code: errno, detail: "")
        }
        return info.id
    }
}
