// SPDX-License-Identifier: Apache-2.0

/// What the agent is told once, at its start.
public struct AgentSettings: Sendable {
    /// The node whose pods it protects, as pods name it in `spec.nodeName`.
    public var nodeName: String
    /// The directory of manifests, for answers; nil where there is none.
    public var manifestDirectory: String?
    /// What the datapath is called in answers.
    public var datapathKind: String
    /// Where what was pushed is kept over a restart; nil: nowhere.
    public var pushedFile: PushedFile?

    public init(
        nodeName: String, manifestDirectory: String? = nil, datapathKind: String = "ebpf", pushedFile: PushedFile? = nil
    ) {
        self.nodeName = nodeName
        self.manifestDirectory = manifestDirectory
        self.datapathKind = datapathKind
        self.pushedFile = pushedFile
    }
}
