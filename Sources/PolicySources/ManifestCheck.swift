// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// What files and folders of manifests hold, read once and without a daemon.
public struct ManifestCheck: Sendable {
    public var fileCount: Int
    public var documentCount: Int
    /// Everything valid, by key.
    public var objects: [KubernetesObject]
    public var problems: [ManifestProblem]
    public var notices: [ManifestNotice]

    /// Objects of each kind that there is.
    public var counts: [ObjectKind: Int] { Dictionary(grouping: objects, by: \.kind).mapValues(\.count) }

    /// Reads `paths`: of a folder its manifests (not those of folders below), of a file whatever its name is.
    /// Places that cannot be read are problems.
    public static func run(paths: [String], limits: ManifestLimits = ManifestLimits()) -> ManifestCheck {
        var found: [String: ManifestFile] = [:]
        for path in paths {
            let folder = ManifestFolder(path: path, limits: limits)
            do throws(ManifestAccessError) {
                let prefix = path.hasSuffix("/") ? path : path + "/"
                for name in try folder.names() { found[prefix + name] = folder.read(name) }
            } catch {
                found[path] = ManifestFolder.readFile(path, limits: limits)
                if found[path] == .removed { found[path] = .unreadable(reason: "no such file or folder") }
            }
        }
        var set = ManifestSet(limits: limits)
        _ = set.apply(found)
        return ManifestCheck(
            fileCount: found.count, documentCount: set.documentCount, objects: set.objects, problems: set.problems,
            notices: set.notices)
    }
}
