// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How flows whose requests authorization reads are handed to the node's proxy pod.
public struct RequestSettings: Sendable, Hashable {
    /// The namespace and service account by which this node's proxy pod is known.
    public var proxyNamespace: String
    public var proxyAccount: String
    /// The bits of packet and connection marks that steer.
    public var marks: RequestMarks
    /// The number of the routing table that leads to the proxy.
    public var table: UInt32
    /// The users that may follow the requests' policy, in addition to root and the daemon's own.
    public var users: Set<uid_t>

    public init(
        proxyNamespace: String = "kube-system", proxyAccount: String = "bulkhead-http",
        marks: RequestMarks = RequestMarks(), table: UInt32 = Self.defaultTable, users: Set<uid_t> = []
    ) {
        self.proxyNamespace = proxyNamespace
        self.proxyAccount = proxyAccount
        self.marks = marks
        self.table = table
        self.users = users
    }

    /// Not used by kube-proxy, Calico (from 1), Cilium (2004, 2005), the AWS VPC CNI (from 2) or systemd.
    public static let defaultTable: UInt32 = 9105
}

/// Two bits of a packet's mark and of its connection's mark.
public struct RequestMarks: Sendable, Hashable {
    /// The packet must go to the proxy.
    public var toProxy: UInt32
    /// The packet comes from the proxy.
    public var fromProxy: UInt32

    public init() {
        toProxy = 0x10
        fromProxy = 0x20
    }

    /// Both bits. Only these are read and written; other marks stay as they are.
    public var mask: UInt32 { toProxy | fromProxy }

    /// The bits of the marks by which kube-proxy has packets masqueraded (0x4000) and dropped (0x8000).
    public static let kubeProxy: UInt32 = 0xc000

    /// Reads `VALUE/MASK`, such as `0x10/0x30`: the mask has two bits, and the value is the one that leads to the proxy.
    ///
    /// - Throws: ``RequestMarksError``.
    public init(_ text: String) throws(RequestMarksError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let value = Self.number(parts[0]), let mask = Self.number(parts[1]) else {
            throw .form(text)
        }
        guard mask.nonzeroBitCount == 2, value.nonzeroBitCount == 1, value & mask == value else { throw .bits(text) }
        guard mask & Self.kubeProxy == 0 else { throw .kubeProxy(text) }
        toProxy = value
        fromProxy = mask ^ value
    }

    private static func number(_ text: Substring) -> UInt32? {
        guard text.hasPrefix("0x") || text.hasPrefix("0X") else { return UInt32(text) }
        let digits = text.dropFirst(2)
        return digits.first?.isHexDigit == true ? UInt32(digits, radix: 16) : nil
    }
}

extension RequestMarks: CustomStringConvertible {
    /// As it is read: `0x10/0x30`.
    public var description: String { "0x\(String(toProxy, radix: 16))/0x\(String(mask, radix: 16))" }
}

/// Why a text is not ``RequestMarks``.
public enum RequestMarksError: Error, Sendable, Hashable, CustomStringConvertible {
    case form(String)
    case bits(String)
    case kubeProxy(String)

    public var description: String {
        switch self {
        case .form(let text): "'\(text)' is not VALUE/MASK, such as 0x10/0x30"
        case .bits(let text):
            "'\(text)': MASK must have exactly two bits, and VALUE must be one of them, as in 0x10/0x30"
        case .kubeProxy(let text): "'\(text)' has bits that kube-proxy uses (0x4000 and 0x8000); choose two others"
        }
    }
}
