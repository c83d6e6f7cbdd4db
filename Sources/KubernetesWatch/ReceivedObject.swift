// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// One object as received from the server.
struct ReceivedObject: Sendable {
    var key: ObjectKey
    /// metadata.resourceVersion.
    var version: String
    /// metadata.generation; 0: the server does not say.
    var generation: Int64
    /// Nil if it was not understood; `refusal` says why.
    var object: KubernetesObject?
    var refusal: String?
}

/// One page of a list.
struct ReceivedPage: Sendable {
    var resourceVersion: String
    /// Empty on the last page.
    var continueToken: String
    var objects: [ReceivedObject]
    /// Items that cannot even be identified by name.
    var nameless: Int
}

/// A metav1.Status: why something failed.
struct ReceivedStatus: Sendable, Hashable {
    var code: Int
    var reason: String
    var message: String
    var retryAfter: Int?
}

/// One event of a watch.
enum ReceivedEvent: Sendable {
    case set(ReceivedObject)
    case removed(ReceivedObject)
    case bookmark(resourceVersion: String)
    case failure(ReceivedStatus)
}

/// Why received data cannot be read.
struct UnreadableAnswer: Error {
    var reason: String
}
