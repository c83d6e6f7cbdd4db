// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// The content of files and directories of manifests, read once and without a daemon.
public struct ManifestCheck: Sendable {
    /// Files that were named or found.
    public var fileCount: Int
    public var documentCount: Int
    /// Everything valid, by key.
    public var objects: [KubernetesObject]
    public var problems: [ManifestProblem]
    public var notices: [ManifestNotice]
    /// Nothing is enforced by them, but questions may name them.
    public var services: [Service]
    /// What an analysis needs beside; empty unless asked for.
    public var extracts: [DocumentExtract]

    /// The number of objects of each kind.
    public var counts: [ObjectKind: Int] { Dictionary(grouping: objects, by: \.kind).mapValues(\.count) }

    /// Reads `paths` like ``ManifestInput/read(_:isRecursive:limits:)``. If nothing at all is found, that is a problem,
    /// so that a wrong path does not look like success.
    ///
    /// - Parameter isExtracting: whether to collect ``extracts``.
    public static func run(
        paths: [String], isRecursive: Bool = false, limits: ManifestLimits = ManifestLimits(),
        isExtracting: Bool = false
    ) -> ManifestCheck {
        run(
            ManifestInput.read(paths, isRecursive: isRecursive, limits: limits), limits: limits,
            isExtracting: isExtracting)
    }

    /// Checks what was read.
    public static func run(
        _ inputs: [ManifestInput], limits: ManifestLimits = ManifestLimits(), isExtracting: Bool = false
    ) -> ManifestCheck {
        var set = ManifestSet(limits: limits, isExtracting: isExtracting)
        set.applyFirst(Dictionary(inputs.map { ($0.name, $0.file) }, uniquingKeysWith: { first, _ in first }))
        var check = ManifestCheck(
            fileCount: Set(inputs.lazy.filter { !$0.isDirectory }.map(\.name)).count,
            documentCount: set.documentCount, objects: set.objects, problems: set.problems, notices: set.notices,
            services: set.services, extracts: set.extracts)
        if check.documentCount == 0, check.problems.isEmpty {
            let names = Set(inputs.map(\.name)).sorted().joined(separator: ", ")
            check.problems.append(
                ManifestProblem(error: ManifestError(file: names, document: 0, reason: "there is no document")))
        }
        return check
    }
}
