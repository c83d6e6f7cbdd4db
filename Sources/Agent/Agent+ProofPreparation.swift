// SPDX-License-Identifier: Apache-2.0
import Datapath
import PolledThread

/// What the kernel needs before it can be asked takes half a second with eBPF, and is done on a thread of its own:
/// changes of policy go on meanwhile.
extension Agent where Plane: ~Copyable {
    /// Whether the kernel can be asked at once. If not, it is being made ready.
    func isReadyToAsk() -> Bool {
        guard proving.preparing == nil else { return false }
        guard let work = datapath.preparationToAsk() else { return true }
        proving.preparing = Task {
            await DetachedWork.run(named: "bulkhead-load", work)
            self.proving.preparing = nil
        }
        return false
    }

    /// Waits until the kernel can be asked. The tables may be replaced again and again: after some attempts it is not
    /// ready, and the answer says so.
    func waitUntilReadyToAsk() async {
        for _ in 0..<Self.preparationLimit {
            guard !isReadyToAsk(), let preparing = proving.preparing else { return }
            await preparing.value
        }
    }

    private static var preparationLimit: Int { 4 }
}
