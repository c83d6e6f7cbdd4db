// SPDX-License-Identifier: Apache-2.0
import Documents

/// Bounds on what the plugin reads.
public enum CNILimits {
    /// Of a configuration, a result or an answer.
    public static let text = JSONReader.Limits(depth: 32, size: 4 << 20)
}
