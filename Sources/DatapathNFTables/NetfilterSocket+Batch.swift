// SPDX-License-Identifier: Apache-2.0
import Datapath
import Netfilter

extension NetfilterSocket {
    /// Carries out a transaction.
    func commit(_ batch: borrowing Batch) throws(DatapathError) {
        guard let failure = try transact(batch.buffer, acknowledged: batch.acknowledged) else { return }
        throw .system(operation: batch.step(failure.sequence), code: failure.code, detail: failure.text)
    }
}
