// SPDX-License-Identifier: Apache-2.0
import CBuildCommit

/// The version of the daemon and its clients.
public enum BuildVersion {
    public static let text = "0.1.0"

    /// The commit that was built, with `-dirty` if the tree had other changes; `unknown` if the build did not know it.
    public static let commit = String(cString: bh_build_commit())

    /// The processor architecture that this program was built for, as `uname -m` names it.
    public static var architecture: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "aarch64"
        #else
            "other"
        #endif
    }
}
