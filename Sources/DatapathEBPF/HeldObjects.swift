// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Datapath
import Glibc

/// Maps, programs and links of one set, by the names of their pins. While this value holds them they live, and links
/// stay attached, whatever others do to the pins.
struct HeldObjects: ~Copyable {
    private struct Object {
        var descriptor: Int32
        /// The inode of its pin; nil if not pinned.
        var inode: UInt64?
    }

    private var objects: [String: Object] = [:]

    deinit { for object in objects.values { close(object.descriptor) } }

    /// The descriptor, which remains owned by this value; -1 if there is no such object.
    func raw(_ name: String) -> Int32 { objects[name]?.descriptor ?? -1 }

    func holds(_ name: String) -> Bool { objects[name] != nil }

    /// Replaces an object by another one, and closes the old one.
    mutating func hold(_ descriptor: consuming Descriptor, as name: String) {
        release(name)
        objects[name] = Object(descriptor: descriptor.take())
    }

    /// Holds what is pinned in a directory under a name.
    mutating func holdPinned(_ name: String, in directory: String) throws(DatapathError) {
        let path = directory + "/" + name
        hold(try Pins.get(path), as: name)
        objects[name]?.inode = Pins.inode(path)
    }

    /// Closes an object; its pin remains for the caller to remove.
    mutating func release(_ name: String) {
        guard let object = objects.removeValue(forKey: name) else { return }
        close(object.descriptor)
    }

    /// Names whose pin in a directory is missing or belongs to another object; links last, so that none is pinned
    /// before its tables.
    func unpinned(in directory: String) -> [String] {
        let names = objects.filter { name, object in
            object.inode == nil || Pins.inode(directory + "/" + name) != object.inode
        }.keys.sorted()
        return names.filter { !$0.hasPrefix("link") } + names.filter { $0.hasPrefix("link") }
    }

    /// Pins what is not pinned.
    ///
    /// - Returns: the paths.
    mutating func pin(in directory: String) throws(DatapathError) -> [String] {
        var pinned: [String] = []
        for name in unpinned(in: directory) {
            let path = directory + "/" + name
            if Pins.inode(path) != nil, unlink(path) != 0 { try Pins.removeTree(path) }
            guard bpf_obj_pin(raw(name), path) == 0 else {
                throw .system(operation: "pinning \(path)", code: errno, detail: "")
            }
            objects[name]?.inode = Pins.inode(path)
            pinned.append(path)
        }
        return pinned
    }
}
