// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A limited amount that several users share.
final class Budget: Sendable {
    /// A part that is returned with the last reference to it.
    final class Share: Sendable {
        private let budget: Budget
        private let amount: Int

        fileprivate init(_ amount: Int, of budget: Budget) {
            self.amount = amount
            self.budget = budget
        }

        deinit { budget.left.withLock { $0 += amount } }
    }

    private let left: Mutex<Int>

    init(_ amount: Int) { left = Mutex(amount) }

    /// Nil if not enough is left.
    func take(_ amount: Int) -> Share? {
        left.withLock { left in
            guard amount <= left else { return nil }
            left -= amount
            return Share(amount, of: self)
        }
    }
}
