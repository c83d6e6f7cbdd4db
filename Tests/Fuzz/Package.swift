// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .unsafeFlags(["-warnings-as-errors"])]
/// Coverage counters, by which libFuzzer finds its way.
let counted = strict + [.unsafeFlags(["-sanitize=fuzzer"])]
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: ["FuzzDriver"] + dependencies, path: "Targets/\(name)", swiftSettings: counted,
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])])
}

let package = Package(
    name: "bulkhead-fuzz",
    dependencies: [.package(url: "https://github.com/jpsim/Yams", from: "6.2.2")],
    targets: [
        .target(name: "NetworkTypes", swiftSettings: counted),
        .target(name: "Documents", swiftSettings: counted),
        .target(name: "PolicyModel", dependencies: ["NetworkTypes"], swiftSettings: counted),
        .target(
            name: "KubernetesObjects", dependencies: ["NetworkTypes", "PolicyModel", "Documents"],
            swiftSettings: counted),
        .target(
            name: "KubernetesProtobuf", dependencies: ["KubernetesObjects", "Documents", "NetworkTypes"],
            swiftSettings: counted),
        .target(
            name: "KubernetesWatch", dependencies: ["KubernetesObjects", "Documents", "KubernetesProtobuf"],
            swiftSettings: counted),
        .target(name: "YAMLDocuments", dependencies: ["Documents", yams], swiftSettings: counted),
        .target(name: "WatchedFiles", swiftSettings: counted),
        .target(name: "PolledThread", swiftSettings: counted),
        .target(
            name: "Manifests",
            dependencies: ["Documents", "KubernetesObjects", "YAMLDocuments", "WatchedFiles", "PolledThread"],
            swiftSettings: counted),
        .target(name: "ChainedCNI", dependencies: ["Documents", "NetworkTypes"], swiftSettings: counted),
        .target(name: "Requests", dependencies: ["PolicyModel"], swiftSettings: counted),
        .target(
            name: "CompiledPolicy", dependencies: ["NetworkTypes", "PolicyModel", "Requests"], swiftSettings: counted),
        .target(
            name: "RequestPolicy",
            dependencies: ["Documents", "NetworkTypes", "PolicyModel", "Requests", "CompiledPolicy"],
            swiftSettings: counted),
        .target(name: "SPOP", swiftSettings: counted),
        .target(name: "PrometheusText", swiftSettings: counted),
        .target(
            name: "RequestDecider",
            dependencies: ["NetworkTypes", "PolicyModel", "Requests", "RequestPolicy", "SPOP", "PrometheusText"],
            swiftSettings: counted),
        .systemLibrary(name: "CLibBPF", path: "Sources/CLibBPF", pkgConfig: "libbpf"),
        .target(name: "CLinuxShim", dependencies: ["CLibBPF"]),
        .target(name: "NetlinkAttributes", dependencies: ["NetworkTypes"], swiftSettings: counted),
        .target(
            name: "NodeNetwork", dependencies: ["NetworkTypes", "NetlinkAttributes", "CLinuxShim", "PolledThread"],
            swiftSettings: counted),
        .target(name: "FuzzDriver", path: "Targets/FuzzDriver", swiftSettings: strict),
        fuzzer("ManifestFuzz", ["Manifests", "KubernetesObjects"]),
        fuzzer("JSONFuzz", ["KubernetesObjects", "Documents"]),
        fuzzer("ProtobufFuzz", ["KubernetesProtobuf", "KubernetesObjects"]),
        fuzzer("WatchFuzz", ["KubernetesWatch", "KubernetesObjects"]),
        fuzzer("CNIFuzz", ["ChainedCNI"]),
        fuzzer("SPOPFuzz", ["NetworkTypes", "PolicyModel", "RequestDecider", "RequestPolicy", "SPOP"]),
        fuzzer("RequestPolicyFuzz", ["NetworkTypes", "RequestPolicy", "Requests"]),
        fuzzer("ProxyTextFuzz", ["RequestDecider"]),
        .target(name: "Journal", dependencies: ["Documents", "KubernetesObjects"], swiftSettings: counted),
        fuzzer("JournalFuzz", ["Journal", "KubernetesObjects"]),
        fuzzer("RouteFuzz", ["NodeNetwork"]),
        .target(
            name: "PolicyTranslation", dependencies: ["NetworkTypes", "PolicyModel", "KubernetesObjects"],
            swiftSettings: counted),
        .target(
            name: "ClusterState",
            dependencies: [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyTranslation",
            ],
            swiftSettings: counted),
        .target(
            name: "PolicyResolver", dependencies: ["NetworkTypes", "PolicyModel", "ClusterState"],
            swiftSettings: counted),
        .target(
            name: "Explanations", dependencies: ["NetworkTypes", "PolicyModel", "CompiledPolicy"],
            swiftSettings: counted),
        .target(
            name: "PolicyCompiler", dependencies: ["NetworkTypes", "PolicyModel", "CompiledPolicy"],
            swiftSettings: counted),
        .target(
            name: "PolicyPipeline",
            dependencies: [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "ClusterState", "PolicyResolver", "Requests",
                "CompiledPolicy", "PolicyCompiler",
            ],
            swiftSettings: counted),
        .target(
            name: "ClusterVerdicts",
            dependencies: [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyResolver", "CompiledPolicy", "Explanations",
                "PolicyPipeline", "ClusterState", "Requests",
            ],
            swiftSettings: counted),
        .target(
            name: "ClusterInventory",
            dependencies: ["NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyResolver"],
            swiftSettings: counted),
        .target(
            name: "Reachability",
            dependencies: [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "ClusterState", "ClusterInventory",
                "PolicyResolver", "CompiledPolicy", "PolicyCompiler", "Explanations", "Requests",
            ],
            swiftSettings: counted),
        .target(name: "CBuildCommit", cSettings: [.define("BULKHEAD_COMMIT", to: "\"fuzz\"")]),
        .target(
            name: "ControlProtocol",
            dependencies: [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "Requests", "CompiledPolicy",
                "Explanations", "CBuildCommit",
            ],
            swiftSettings: counted),
        .target(
            name: "PolicyCases",
            dependencies: [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyResolver", "Requests",
                "ClusterInventory", "ClusterVerdicts", "Reachability", "YAMLDocuments", "ControlProtocol",
            ],
            swiftSettings: counted),
        fuzzer("TestFileFuzz", ["PolicyCases", "ClusterInventory"]),
        fuzzer("RequestCountsFuzz", ["RequestDecider", "RequestPolicy", "PrometheusText"]),
    ]
)
