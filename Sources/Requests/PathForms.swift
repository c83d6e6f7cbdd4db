// SPDX-License-Identifier: Apache-2.0

/// How a path reads: in one way, in a normal form as well, or in several ways, depending on the server.
public enum PathForms: Sendable, Hashable {
    case plain
    /// RFC 3986, section 6.2.2: escapes of unreserved characters decoded, dot segments removed.
    case normalized(String)
    case ambiguous(RequestProblem)

    public init(_ path: String) { self = .plain }
}
