// SPDX-License-Identifier: Apache-2.0

/// An HTTP request as authorization sees it.
public struct HTTPRequest: Sendable, Hashable {
    public var method: String
    /// `Host`, or HTTP/2's `:authority`, as sent.
    public var host: String
    /// As sent, without query and fragment.
    public var path: String
    /// By name in lower case. The values of a repeated header are joined by commas, in order.
    public var headers: [String: String]

    public init(method: String, host: String = "", path: String = "/", headers: [String: String] = [:]) {
        self.method = method
        self.host = host
        self.path = path
        self.headers = headers
    }
}
