// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Datapath
import Glibc
import Synchronization

/// Loads the programs that answer about one set of tables, on any thread; the owner of the tables takes them. It holds
/// the tables' maps itself: the owner may have replaced them before the programs are loaded.
final class AnsweringLoader: Sendable {
    private enum Outcome: ~Copyable {
        case none
        case loaded(AnsweringPrograms)
        case failed(DatapathError)
    }

    /// Descriptors of its own.
    private let maps: [String: Int32]
    private let capacities: Capacities
    private let outcome = Mutex(Outcome.none)

    init(over tables: borrowing HeldObjects, _ capacities: Capacities) throws(DatapathError) {
        var maps: [String: Int32] = [:]
        for name in AnsweringPrograms.shared where tables.holds(name) {
            let copy = bh_duplicate(tables.raw(name))
            guard copy >= 0 else {
                let code = errno
                for map in maps.values { close(map) }
                throw .system(operation: "taking the descriptor of \(name)", code: code, detail: "")
            }
            maps[name] = copy
        }
        self.maps = maps
        self.capacities = capacities
    }

    deinit { for map in maps.values { close(map) } }

    /// Whether it has loaded the programs, or failed to.
    var isDone: Bool {
        outcome.withLock { outcome in
            switch outcome {
            case .none: false
            case .loaded: true
            case .failed: true
            }
        }
    }

    /// Takes as long as the kernel needs to check the programs.
    func load() {
        do throws(DatapathError) {
            let programs = try AnsweringPrograms(over: maps, capacities)
            put(.loaded(programs))
        } catch {
            put(.failed(error))
        }
    }

    private func put(_ new: consuming sending Outcome) {
        var new: Outcome? = consume new
        outcome.withLock { outcome in outcome = new.take() ?? .none }
    }

    /// The programs, once.
    ///
    /// - Throws: why they could not be loaded.
    func take() throws(DatapathError) -> AnsweringPrograms {
        var taken = Outcome.none
        outcome.withLock { swap(&$0, &taken) }
        switch consume taken {
        case .loaded(let programs): return programs
        case .failed(let error): throw error
        case .none: throw .corrupt("the programs that answer are not loaded")
        }
    }
}
