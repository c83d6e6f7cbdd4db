// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterInventory
import CommandOptions
import NetworkTypes
import PolicyResolver

/// The options that name a cluster to be read.
struct ClusterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Read the cluster of this kubeconfig. With manifests: as it is after they are applied.",
            valueName: "file"),
        completion: .file())
    var kubeconfig: String?

    @Option(help: ArgumentHelp("The context of the kubeconfig, instead of its current one.", valueName: "name"))
    var context: String?

    /// Whether a cluster is named.
    var isGiven: Bool { kubeconfig != nil }

    func validate() throws {
        if context != nil, kubeconfig == nil { throw ValidationError("--context needs --kubeconfig") }
    }

    /// The named cluster with these manifests, or the manifests alone.
    func read(with paths: [String], isRecursive: Bool) async throws -> InventoryReading {
        guard let kubeconfig else {
            return paths.isEmpty ? InventoryReading() : InventoryReading(files: paths, isRecursive: isRecursive)
        }
        var reading = try await InventoryReading(kubeconfig: kubeconfig, context: context)
        if !paths.isEmpty { reading.apply(InventoryReading(files: paths, isRecursive: isRecursive)) }
        return reading
    }
}

/// The options of commands that analyze a whole cluster: where it is described, and what to assume about the rest.
struct InventoryOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .long],
        help: ArgumentHelp(
            """
            Manifest in YAML or JSON, or a directory of manifests (*.yaml, *.yml, *.json), searched recursively; - \
            reads standard input. May be repeated.
            """, valueName: "path"),
        completion: .file())
    var filename: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(
        help: ArgumentHelp(
            """
            A network of pods: pods without an address get one from it. May be repeated (default: 10.244.0.0/16 and \
            fd00:10:244::/56).
            """, valueName: "cidr"),
        transform: InventoryOptions.network)
    var podCIDR: [CIDR] = []

    @Flag(help: "Continue although documents are refused.")
    var ignoreProblems = false

    @OptionGroup var mesh: MeshOptions

    private static func network(_ text: String) throws -> CIDR {
        do throws(AddressError) {
            return try CIDR(text)
        } catch {
            throw ValidationError("--pod-cidr \(error)")
        }
    }

    /// How policies are read.
    var settings: PolicySettings { PolicySettings(mesh: mesh.settings) }

    /// Where pods without an address get one; shared by inventories that are compared.
    func addresses(comparing readings: InventoryReading...) -> InventedAddresses {
        InventedAddresses(podCIDR, comparing: readings.map(\.input))
    }

    /// Reads what the options name, and these manifests.
    ///
    /// - Throws: a usage error if there is neither.
    func read(_ paths: [String] = []) async throws -> InventoryReading {
        let paths = filename + paths
        guard cluster.isGiven || !paths.isEmpty else {
            throw ValidationError("name manifests with -f PATH, or a cluster with --kubeconfig FILE")
        }
        return try await cluster.read(with: paths, isRecursive: true)
    }

    /// The cluster that the options and these manifests describe. Refused documents, and policies that are not
    /// enforced, are reported on standard error.
    ///
    /// - Throws: a failure if documents are refused, unless `--ignore-problems` is given.
    func inventory(_ paths: [String] = []) async throws -> ClusterInventory {
        var addresses = addresses()
        return try inventory(of: try await read(paths), addresses: &addresses)
    }

    /// The cluster of what was read, with addresses that several inventories share.
    func inventory(of reading: InventoryReading, addresses: inout InventedAddresses) throws -> ClusterInventory {
        try reading.inventory(
            settings: settings, ignoringProblems: ignoreProblems,
            consequence: "an object could be missing from the answer", addresses: &addresses)
    }

    /// The cluster that the options describe, for questions about flows.
    ///
    /// - Throws: as ``inventory(_:)``, and a failure if the cluster has no pods.
    func inventoryWithPods() async throws -> ClusterInventory {
        let inventory = try await inventory()
        try Self.requirePods(inventory)
        return inventory
    }

    /// Without pods every answer is empty, and would look as if nothing were open.
    ///
    /// - Parameter inventories: of which one must have pods.
    static func requirePods(_ inventories: ClusterInventory...) throws {
        guard inventories.contains(where: { !$0.workloads.isEmpty }) else {
            throw CommandFailure("there are no pods, and without pods no flow is judged: name their manifests with -f")
        }
    }
}
