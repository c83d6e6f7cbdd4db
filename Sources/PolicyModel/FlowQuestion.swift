// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// One end of a flow as a person names it.
public enum FlowEnd: Sendable, Hashable, CustomStringConvertible {
    case pod(namespace: String, name: String)
    /// The address of a pod stands for that pod.
    case address(IPAddress)

    /// Reads `namespace/name`, or an address. Nil for anything else.
    public init?(_ text: some StringProtocol) {
        if let slash = text.firstIndex(of: "/") {
            let (namespace, name) = (text[..<slash], text[text.index(after: slash)...])
            guard !namespace.isEmpty, !name.isEmpty, !name.contains("/") else { return nil }
            self = .pod(namespace: String(namespace), name: String(name))
        } else {
            guard let address = try? IPAddress(text) else { return nil }
            self = .address(address)
        }
    }

    /// Why a text is not an end of a flow.
    public static let problem = "is neither namespace/pod nor an address"

    public var description: String {
        switch self {
        case .pod(let namespace, let name): "\(namespace)/\(name)"
        case .address(let address): "\(address)"
        }
    }
}

/// The question whether policy allows a flow.
public struct FlowQuestion: Sendable, Hashable {
    public var from: FlowEnd
    public var to: FlowEnd
    public var ipProtocol: IPProtocol
    /// Nil for protocols without ports.
    public var port: UInt16?

    public init(from: FlowEnd, to: FlowEnd, ipProtocol: IPProtocol, port: UInt16?) {
        self.from = from
        self.to = to
        self.ipProtocol = ipProtocol
        self.port = port
    }
}
