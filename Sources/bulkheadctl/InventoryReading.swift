// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import ControlProtocol
import KubernetesClient
import KubernetesObjects
import Manifests
import PolicyResolver

/// A cluster as manifests or an API server describe it, with what was wrong with the description.
struct InventoryReading {
    var input = InventoryInput()
    /// Why documents and objects are refused.
    var problems: [ManifestError] = []
    /// Documents of manifests that have no effect.
    var notices: [ManifestNotice] = []
    /// What is not known of a cluster, and what it has that is not enforced.
    var warnings: [String] = []

    /// Of files that are read once and that their owner has chosen, not of a request.
    private static let limits: ManifestLimits = {
        var limits = ManifestLimits(fileSize: 1 << 30)
        limits.jsonValues = 40_000_000
        return limits
    }()

    init() {}

    /// Reads files and directories; `-` is standard input.
    init(files paths: [String], isRecursive: Bool) {
        let check = ManifestCheck.run(
            paths: paths, isRecursive: isRecursive, limits: Self.limits, isExtracting: true)
        input = InventoryInput(objects: check.objects, services: check.services, extracts: check.extracts)
        problems = check.problems.map(\.error)
        notices = check.notices
    }

    /// Lists a cluster. Nothing is changed there.
    init(kubeconfig: String, context: String?) async throws {
        let access = try Kubeconfig.read(kubeconfig, context: context)
        let connection = APIServerConnection(access, userAgent: "bulkheadctl/\(BuildVersion.text)")
        let listed: Result<ClusterListing.Content, any Error>
        do {
            listed = .success(try await ClusterListing(connection).read())
        } catch {
            listed = .failure(error)
        }
        await connection.shutdown()
        let content = try listed.get()
        input = InventoryInput(objects: content.objects, services: content.services, extracts: [content.extract])
        problems = content.problems
        warnings = content.warnings
    }

    /// The cluster after these manifests are applied to it.
    mutating func apply(_ manifests: InventoryReading) {
        input = input.applying(manifests.input)
        problems += manifests.problems
        notices += manifests.notices
        warnings += manifests.warnings
    }

    /// Reports refused documents and policies that are not enforced on standard error.
    ///
    /// - Parameter consequence: what a refused document does to the answer: `a policy could be missing from …`.
    /// - Throws: ``CommandFailure`` if documents are refused and that may not be ignored.
    func report(ignoringProblems: Bool, consequence: String) throws {
        for notice in notices where notice.reason == .notEnforced { Terminal.complain("warning: \(notice)") }
        for warning in warnings { Terminal.complain("warning: \(warning)") }
        for problem in problems { Terminal.complain("refused: \(Problem(problem))") }
        guard problems.isEmpty || ignoringProblems else {
            throw CommandFailure(
                "\(Words.count(problems.count, "problem")) with what was read: \(consequence) "
                    + "(--ignore-problems goes on without what is refused)")
        }
    }

    /// Completes the cluster, and reports workloads that are defined twice.
    ///
    /// - Throws: ``InventoryError`` or ``CommandFailure``.
    func inventory(
        settings: PolicySettings, ignoringProblems: Bool, consequence: String, addresses: inout InventedAddresses
    ) throws -> ClusterInventory {
        let inventory = try ClusterInventory(input, settings: settings, addresses: &addresses)
        var all = self
        all.problems += inventory.problems
        try all.report(ignoringProblems: ignoringProblems, consequence: consequence)
        return inventory
    }
}
