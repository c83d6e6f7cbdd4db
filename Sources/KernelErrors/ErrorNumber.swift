// SPDX-License-Identifier: Apache-2.0

/// Linux's error numbers in words.
enum ErrorNumber {
    static func text(_ code: Int32) -> String { "\(texts[code] ?? "unknown error") (errno \(code))" }

    /// What to do about it, if that is always the same; otherwise empty.
    static func remedy(_ code: Int32) -> String {
        switch code {
        case 1: "; start as root, or grant CAP_NET_ADMIN and, for eBPF, CAP_BPF and CAP_PERFMON"
        case 13: "; start as root, or give this user access"
        default: ""
        }
    }

    /// The errors with which the kernel answers datapaths (asm-generic/errno-base.h, errno.h, linux/errno.h).
    private static let texts: [Int32: String] = [
        1: "operation not permitted", 2: "no such object", 3: "no such process", 4: "interrupted",
        5: "input/output error",
        6: "no such device", 7: "argument list too long", 9: "bad file descriptor", 11: "try again",
        12: "out of memory", 13: "permission denied", 14: "bad address", 16: "busy", 17: "it exists already",
        19: "no such device", 20: "not a directory", 21: "is a directory", 22: "invalid argument",
        23: "too many open files in the system", 24: "too many open files", 28: "no space left",
        30: "read-only file system", 34: "out of range", 36: "name too long", 38: "not implemented by this kernel",
        39: "directory not empty", 40: "too many levels of symbolic links", 71: "protocol error", 75: "value too large",
        85: "interrupted, to be restarted", 90: "message too long", 92: "protocol not available",
        93: "protocol not supported", 95: "operation not supported", 97: "address family not supported",
        98: "address in use", 105: "no buffer space", 110: "timed out", 111: "connection refused",
        524: "operation not supported",
    ]
}
