// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import Glibc
import NetworkKit
import Testing

/// The eBPF datapath's tables, mapped by their pin.
final class MappedTables {
    let base: UnsafeMutablePointer<UInt32>
    private let bytes: Int
    /// Words of endpoints and of the heap that are not zero. Most words of the fixed part are for addresses that no
    /// packet here has.
    let used: [Int]
    /// The words of addresses, ports, endpoints and of the heap, with programs and lists; without those that are zero.
    let regions: [[Int]]

    init(below bpffs: String) throws {
        let paths = try NetProcess.run(["find", bpffs, "-name", "tables"]).split(separator: "\n")
        let map = bpf_obj_get(String(try #require(paths.first)))
        try #require(map >= 0)
        defer { close(map) }
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try #require(bpf_obj_get_info_by_fd(map, &info, &size) == 0)
        let length = Int(info.value_size)
        let mapped = try #require(mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0))
        try #require(mapped != MAP_FAILED)
        let words = mapped.bindMemory(to: UInt32.self, capacity: length / 4)
        bytes = length
        base = words
        let endpoints = Int(BH_ENDPOINTS_OFFSET) / 4..<Int(BH_INTERFACES_OFFSET) / 4
        let heap = Int(BH_FIXED_BYTES) / 4..<length / 4
        used = (Array(endpoints) + Array(heap)).filter { words[$0] != 0 }
        let addresses = Int(BH_ROOT4_OFFSET) / 4..<Int(BH_PORTS_OFFSET) / 4
        let ports = Int(BH_PORTS_OFFSET) / 4..<Int(BH_ENDPOINTS_OFFSET) / 4
        regions = [addresses, ports, endpoints, heap].map { region in region.filter { words[$0] != 0 } }
    }

    deinit { munmap(base, bytes) }
}
