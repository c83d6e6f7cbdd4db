// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// The structures with which the embedded object was compiled, from its BTF.
package enum EmbeddedLayout {
    /// Size and member offsets in bytes; nil if the object has no such structure.
    package static func structure(_ name: String) -> (size: Int, offsets: [String: Int])? {
        let bytes = decodeBase64(EmbeddedObjects.bulkhead)
        guard let object = bytes.withUnsafeBytes({ bpf_object__open_mem($0.baseAddress, $0.count, nil) }) else {
            return nil
        }
        defer { bpf_object__close(object) }
        guard let types = bpf_object__btf(object) else { return nil }
        let id = btf__find_by_name_kind(types, name, UInt32(BTF_KIND_STRUCT))
        guard id > 0, let type = btf__type_by_id(types, UInt32(id)) else { return nil }
        // Members follow the type; the low 16 bits of `info` count them (struct btf_type in linux/btf.h).
        let members = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_member.self)
        var offsets: [String: Int] = [:]
        for index in 0..<Int(type.pointee.info & 0xffff) {
            guard let name = btf__name_by_offset(types, members[index].name_off) else { continue }
            offsets[String(cString: name)] = Int(members[index].offset) / 8
        }
        return (Int(type.pointee.size), offsets)
    }
}
