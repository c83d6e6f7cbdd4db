// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import PolicyModel

/// The options that say how authorization policies read identities.
public struct MeshOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The namespace whose authorization policies select pods of every namespace.", valueName: "namespace"),
        transform: MeshOptions.namespace)
    public var meshRootNamespace = MeshSettings().rootNamespace

    @Option(
        help: ArgumentHelp(
            """
            The trust domain that principals begin with, by default cluster.local. May be repeated: the first is the \
            cluster's own, the others are its aliases.
            """, valueName: "domain"),
        transform: MeshOptions.trustDomain)
    public var trustDomain: [String] = []

    public init() {}

    public var settings: MeshSettings {
        MeshSettings(
            rootNamespace: meshRootNamespace,
            trustDomains: trustDomain.isEmpty ? MeshSettings().trustDomains : trustDomain)
    }

    public func validate() throws {
        if Set(trustDomain).count < trustDomain.count {
            throw ValidationError("--trust-domain is given twice with the same value")
        }
    }

    private static func namespace(_ text: String) throws -> String {
        guard let reason = KubernetesName.problem(label: text) else { return text }
        throw ValidationError("--mesh-root-namespace '\(text)' \(reason)")
    }

    /// SPIFFE-ID, section 2.1: a trust domain is at most 255 lower-case letters, digits, dots, hyphens and
    /// underscores.
    private static func trustDomain(_ text: String) throws -> String {
        let isValid =
            (1...255).contains(text.utf8.count)
            && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || "._-".utf8.contains($0) }
        guard isValid else {
            throw ValidationError(
                "--trust-domain '\(text)' must be 1 to 255 lower-case letters, digits, '.', '-' and '_', such as "
                    + "cluster.local, without spiffe://")
        }
        return text
    }
}
