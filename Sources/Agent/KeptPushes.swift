// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects

/// What clients have pushed, saved for a restart of the daemon: without this, a restart would end the enforcement of
/// their policy.
public struct KeptPushes: Sendable {
    public var objects: [KubernetesObject]
    public var resolved: ResolvedBody
    public init(objects: [KubernetesObject] = [], resolved: ResolvedBody = ResolvedBody(endpoints: [])) {
        self.objects = objects
        self.resolved = resolved
    }
}
