// SPDX-License-Identifier: Apache-2.0

/// A tar archive (POSIX.1-1988, ustar) of small regular files, in memory.
struct TarArchive {
    /// ustar's fields are this wide, and files are padded to it.
    private static let block = 512
    /// Names without a prefix field.
    private static let nameLimit = 100

    private(set) var bytes: [UInt8] = []
    /// Seconds since 1970, of all files.
    let time: Int

    init(time: Int) { self.time = time }

    /// Appends a file that only its owner may read.
    ///
    /// - Parameter name: at most 100 bytes of ASCII; chosen by this program, never by what is archived.
    mutating func add(_ name: String, _ content: [UInt8]) {
        precondition(name.utf8.count <= Self.nameLimit && name.utf8.allSatisfy { (0x21...0x7e).contains($0) })
        var header = [UInt8](repeating: 0, count: Self.block)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        /// Octal, with zeros in front and a final NUL.
        func put(_ number: Int, at offset: Int, width: Int) {
            let digits = String(number, radix: 8)
            put(String(repeating: "0", count: max(0, width - 1 - digits.count)) + digits, at: offset)
        }
        put(name, at: 0)
        put(0o600, at: 100, width: 8)
        put(0, at: 108, width: 8)
        put(0, at: 116, width: 8)
        put(content.count, at: 124, width: 12)
        put(time, at: 136, width: 12)
        put("        ", at: 148)
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put("root", at: 265)
        put("root", at: 297)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(sum, at: 148, width: 7)
        header[154] = 0
        bytes += header
        bytes += content
        bytes += [UInt8](repeating: 0, count: (Self.block - content.count % Self.block) % Self.block)
    }

    /// The archive with its end, two empty blocks.
    var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 2 * Self.block) }
}
