// SPDX-License-Identifier: Apache-2.0

/// The version of the daemon and its clients.
public enum BuildVersion {
    public static let text = "0.1.0"
}
