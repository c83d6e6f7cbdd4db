// SPDX-License-Identifier: Apache-2.0

/// What an ``APIServer`` does wrong, or refuses, when asked.
public struct APIServerFault: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// A Status with this code and reason.
        case status(Int, reason: String, retryAfter: Int? = nil)
        /// No such path: plain text, as for a resource without definition.
        case unknownPath
        /// The connection is closed after this many bytes of the answer's body.
        case cut(afterBytes: Int)
        /// The answer's head comes, then nothing ever.
        case silence
        /// A watch: an event that is cut short, with the end of a whole one.
        case truncatedFrame
        /// A watch: an event of this many bytes.
        case oversizedFrame(bytes: Int)
        /// A watch: an ERROR event `Expired`.
        case gone
        /// A watch: each event comes twice, and an earlier one again.
        case repeated
        /// A watch: of events that are sent together, the second comes before the first.
        case reordered
    }
    public enum Verb: String, Sendable, Hashable {
        case list
        case watch
        case create
    }

    public var kind: Kind
    public var verb: Verb
    /// As in paths, `pods`; nil: any.
    public var resource: String?
    /// Requests that meet it.
    public var times: Int

    public init(_ kind: Kind, on verb: Verb, of resource: String? = nil, times: Int = 1) {
        self.kind = kind
        self.verb = verb
        self.resource = resource
        self.times = times
    }
}
