// SPDX-License-Identifier: Apache-2.0
import Synchronization

extension Mutex {
    /// The elements so far, with storage of their own.
    ///
    /// Otherwise the thread sanitizer finds a race between a reader of the elements and the thread that appends to them later:
    /// it does not see the reference count by which that thread knows that the storage has no other reader.
    func copy<Element>() -> [Element] where Value == [Element] { withLock { $0.map { $0 } } }
}
