// SPDX-License-Identifier: Apache-2.0
import KernelErrors

/// A table with a plan: written whole or by its differences, and repaired after others have changed it.
package struct KeptTable: ~Copyable {
    package let identity: TableIdentity
    /// What the kernel was given last; nil: it must be given everything.
    package private(set) var contents: TableContents?
    /// The ruleset's generation when the table was last known to be unchanged.
    private var generation: UInt32?

    package init(_ identity: TableIdentity) { self.identity = identity }

    /// Gives the kernel this content. A table of an earlier run is replaced in the same step.
    package mutating func set(_ wanted: TableContents, _ socket: NetfilterSocket) throws(KernelError) {
        if let contents {
            let step = Transaction(from: contents, to: wanted)
            if step.isEmpty { return }
            generation = nil
            self.contents = nil
            do throws(KernelError) {
                for part in step.parts { try socket.commit(part, to: identity) }
                self.contents = wanted
                return
            } catch {
                // Another program changed the table: it is written from scratch.
            }
        }
        generation = nil
        try socket.commit(Transaction(replacing: wanted), to: identity)
        contents = wanted
    }

    /// Repairs what others have changed or removed. Takes microseconds if no process has changed the ruleset of this
    /// network namespace.
    ///
    /// - Returns: whether something was repaired.
    package mutating func repair(_ socket: NetfilterSocket) throws(KernelError) -> Bool {
        guard let contents else { return false }
        let now = try TableReader.generation(socket)
        guard now != generation else { return false }
        let difference = try Transaction.difference(from: TableReader(identity, socket).read(), to: contents, socket)
        if difference.isEmpty {
            generation = now
            return false
        }
        self.contents = nil
        try set(contents, socket)
        return true
    }

    /// Removes the table, and waits until no packet is inside.
    package mutating func remove(_ socket: NetfilterSocket) throws(KernelError) {
        try identity.remove(socket)
        contents = nil
        generation = nil
    }
}
