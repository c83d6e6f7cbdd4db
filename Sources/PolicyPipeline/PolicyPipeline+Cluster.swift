// SPDX-License-Identifier: Apache-2.0
import ClusterState

extension PolicyPipeline {
    /// The indexed objects, for descriptions. A copy that is kept makes the next step copy what it changes.
    package var cluster: ClusterState {
        _read { yield state }
    }
}
