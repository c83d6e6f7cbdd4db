// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandOptions
import PolicyResolver

/// Where a question about two ends is answered, and in which namespace their names are meant.
struct PodQuestionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Decide by these manifests, without a daemon. May be repeated.", valueName: "dir"),
        completion: .directory)
    var manifests: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "Continue although documents are refused.")
    var ignoreProblems = false

    @OptionGroup var names: PodNameOptions

    /// Whether the manifests or a cluster decide, and no daemon is asked.
    var isOffline: Bool { !manifests.isEmpty || cluster.isGiven }

    /// The cluster that the options describe.
    func cluster(_ mesh: MeshOptions) async throws -> OfflineCluster {
        try OfflineCluster(
            try await cluster.read(with: manifests, isRecursive: false), ignoringProblems: ignoreProblems,
            settings: PolicySettings(mesh: mesh.settings))
    }

    /// - Throws: a `ValidationError` if it is not understood.
    func question(
        from: String, to: String, port: String, _ request: RequestQuestionOptions
    ) throws -> VerdictQuery {
        do {
            var query = try VerdictQuery(from: from, to: to, port: port, namespace: names.namespace)
            try query.ask(request.question)
            return query
        } catch {
            throw ValidationError("\(error)")
        }
    }
}

/// `-n`, for commands that take pods' names.
struct PodNameOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: "Namespace of pods that are named without one.",
        completion: DaemonNames.namespaces)
    var namespace = PodNameOptions.usual

    static let usual = "default"

    /// `namespace/name` of a pod that may be named without its namespace.
    static func qualified(_ pod: String, in namespace: String?) -> String {
        pod.contains("/") ? pod : "\(namespace ?? usual)/\(pod)"
    }
}
