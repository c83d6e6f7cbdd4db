// SPDX-License-Identifier: Apache-2.0

/// Bytes that are not a netlink message.
public enum NetlinkFormatError: Error, Sendable, Hashable {
    /// `what` needs `needed` bytes where only `available` are left.
    case truncated(what: String, needed: Int, available: Int)
    /// A value that its field cannot have.
    case invalid(what: String, value: Int)
}
