// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects

/// What clients have pushed, kept over a restart of the daemon: without it a restart would take their policy out of
/// force.
public struct KeptPushes: Sendable {
    public var objects: [KubernetesObject]
    public var resolved: ResolvedBody
    public init(objects: [KubernetesObject] = [], resolved: ResolvedBody = ResolvedBody(endpoints: [])) {
        self.objects = objects
        self.resolved = resolved
    }
}
