// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The numbers by which steering works, chosen so that no other program on the node uses them.
public struct SteeringSettings: Sendable, Hashable {
    public var marks: SteeringMarks
    /// The routing table that leads to the proxy.
    public var table: UInt32
    /// The priority of the routing rules.
    public var priority: UInt32

    public init(
        marks: SteeringMarks = Self.defaultMarks, table: UInt32 = Self.defaultTable,
        priority: UInt32 = Self.defaultPriority
    ) {
        self.marks = marks
        self.table = table
        self.priority = priority
    }

    /// Not used by kube-proxy, Calico, the AWS VPC CNI or, without a Cluster Mesh, Cilium.
    public static let defaultMarks = SteeringMarks(toProxy: 0x10, fromProxy: 0x20)

    /// Not used by kube-proxy, Calico (from 1), Cilium (2004, 2005), the AWS VPC CNI (from 2) or systemd.
    public static let defaultTable: UInt32 = 9105

    /// Before all rules that choose by a pod's address: those would send marked packets past the proxy, where they are
    /// dropped. Such rules are Cilium's (20, 110 and 111), Calico's for WireGuard (99) and those of the AWS VPC CNI (512
    /// to 1536). After Cilium's rules for encryption, gateways and its own proxy (1 to 10).
    public static let defaultPriority: UInt32 = 15

    /// From here on come the kernel's main and default tables, which have a route for every packet.
    public static let priorityLimit: UInt32 = 32766
}

extension SteeringMarks {
    /// The bits of the marks by which kube-proxy has packets masqueraded (0x4000) and dropped (0x8000).
    public static let kubeProxy: UInt32 = 0xc000

    /// Reads `VALUE/MASK`, such as `0x10/0x30`: the mask has two bits, and the value is the one that leads to the proxy.
    ///
    /// - Throws: ``SteeringMarksError``.
    public init(_ text: String) throws(SteeringMarksError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let value = Self.number(parts[0]), let mask = Self.number(parts[1]) else {
            throw .form(text)
        }
        guard mask.nonzeroBitCount == 2, value.nonzeroBitCount == 1, value & mask == value else { throw .bits(text) }
        guard mask & Self.kubeProxy == 0 else { throw .kubeProxy(text) }
        self.init(toProxy: value, fromProxy: mask ^ value)
    }

    private static func number(_ text: Substring) -> UInt32? {
        guard text.hasPrefix("0x") || text.hasPrefix("0X") else { return UInt32(text) }
        let digits = text.dropFirst(2)
        return digits.first?.isHexDigit == true ? UInt32(digits, radix: 16) : nil
    }
}

/// Why a text does not name ``SteeringMarks``.
public enum SteeringMarksError: Error, Sendable, Hashable, CustomStringConvertible {
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
