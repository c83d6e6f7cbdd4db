// SPDX-License-Identifier: Apache-2.0
import Documents

/// Times of objects as text.
public enum PolicyTime {
    /// metadata.creationTimestamp as text, to the second; nil if the object has none.
    ///
    /// - Parameter seconds: since 1970; 0 if absent.
    public static func text(_ seconds: Int64) -> String? {
        seconds == 0 ? nil : Timestamp.text(seconds: seconds, milliseconds: 0)
    }
}
