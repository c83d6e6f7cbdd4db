// SPDX-License-Identifier: Apache-2.0

/// Which version of an object a server has sent. It decides nothing, so it is not a part of the object.
public struct ObjectVersion: Sendable, Hashable {
    /// metadata.resourceVersion.
    public var resourceVersion: String
    /// metadata.generation, which rises with each change of the spec; 0: the server does not say.
    public var generation: Int64

    public init(resourceVersion: String, generation: Int64 = 0) {
        self.resourceVersion = resourceVersion
        self.generation = generation
    }
}
