// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .unsafeFlags(["-warnings-as-errors"]),
]
let strictC: [CSetting] = [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]

/// The commit that is built, as `scripts/build` and the image's build say; unknown to a bare `swift build`.
let commit: String = {
    let text = Context.environment["BULKHEAD_COMMIT"] ?? ""
    let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    return isPlain && (1...64).contains(text.count) ? text : "unknown"
}()

/// `address` or `thread` if `scripts/sanitize` builds: the sanitizers' runtime cannot be linked into a static program.
let sanitizer = Context.environment["BULKHEAD_SANITIZER"]

let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")

/// One of Bulkhead's library modules: it names every arrow to another module here, and the tidy test checks them.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// What several test targets and the benchmarks share on one subject.
func kit(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: strict)
}

/// - Parameter waits: the tests wait for programs and timers, and compute little: they are compiled without optimization,
///   which takes a third of the time.
func tests(_ name: String, _ dependencies: [Target.Dependency], waits: Bool = false) -> Target {
    .testTarget(
        name: name, dependencies: dependencies,
        swiftSettings: waits ? strict + [.unsafeFlags(["-Onone"])] : strict)
}

let package = Package(
    name: "bulkhead",
    products: [
        .executable(name: "bulkheadd", targets: ["bulkheadd"]),
        .executable(name: "bulkheadctl", targets: ["bulkheadctl"]),
        .executable(name: "bulkhead-cni", targets: ["bulkhead-cni"]),
        .executable(name: "bulkhead-http", targets: ["bulkhead-http"]),
    ],
    // Exact, because Package.resolved is not committed (docs/stability.md).
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // From here to Datapath: pure values, no I/O, clock, lock, actor, logging or Foundation.
        module("NetworkTypes"),
        module("Documents"),
        module("PolicyModel", ["NetworkTypes"]),
        module("KubernetesObjects", ["Documents", "NetworkTypes", "PolicyModel"]),
        module("KubernetesProtobuf", ["Documents", "NetworkTypes", "KubernetesObjects"]),
        module("PolicyTranslation", ["NetworkTypes", "PolicyModel", "KubernetesObjects"]),
        module("ClusterState", ["NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyTranslation"]),
        module("PolicyResolver", ["NetworkTypes", "PolicyModel", "ClusterState"]),
        module("Requests", ["PolicyModel"]),
        module("CompiledPolicy", ["NetworkTypes", "PolicyModel", "Requests"]),
        module("RequestPolicy", ["Documents", "NetworkTypes", "PolicyModel", "Requests", "CompiledPolicy"]),
        module("SPOP"),
        module(
            "RequestDecider",
            ["NetworkTypes", "PolicyModel", "Requests", "RequestPolicy", "SPOP", "PrometheusText"]),
        module("Explanations", ["NetworkTypes", "PolicyModel", "CompiledPolicy"]),
        module("PolicyCompiler", ["NetworkTypes", "PolicyModel", "CompiledPolicy"]),
        module(
            "PolicyPipeline",
            [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "ClusterState", "PolicyResolver", "Requests",
                "CompiledPolicy", "PolicyCompiler",
            ]),
        module("KernelErrors"),
        module(
            "ClusterVerdicts",
            [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyResolver", "CompiledPolicy",
                "Explanations", "PolicyPipeline", "ClusterState", "Requests",
            ]),
        module("ClusterInventory", ["NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyResolver"]),
        module(
            "Reachability",
            [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "ClusterInventory", "ClusterState",
                "PolicyResolver",
                "CompiledPolicy", "PolicyCompiler", "Explanations", "Requests",
            ]),
        module("Datapath", ["NetworkTypes", "PolicyModel", "CompiledPolicy", "KernelErrors"]),
        module("SelfProof", ["NetworkTypes", "PolicyModel", "CompiledPolicy", "Datapath"]),
        module("KubernetesWatch", ["Documents", "KubernetesObjects", "KubernetesProtobuf"]),
        module("Journal", ["Documents", "KubernetesObjects"]),

        // The kernel.
        .target(name: "BulkheadABI", path: "bpf/abi", cSettings: strictC),
        .systemLibrary(
            name: "CLibBPF", path: "Sources/CLibBPF", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev"])]),
        .systemLibrary(
            name: "CLibNFTNL", path: "Sources/CLibNFTNL", pkgConfig: "libnftnl libmnl",
            providers: [.apt(["libnftnl-dev", "libmnl-dev"])]),
        .systemLibrary(name: "CLibZ", path: "Sources/CLibZ", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CLinuxShim", dependencies: ["CLibBPF"], cSettings: strictC),
        .target(name: "CGracePeriod", cSettings: strictC),
        // The only file that is compiled for a new commit.
        .target(name: "CBuildCommit", cSettings: strictC + [.define("BULKHEAD_COMMIT", to: "\"\(commit)\"")]),
        module("GracePeriod", ["CGracePeriod"]),
        module("PolledThread", []),
        module("NetlinkAttributes", ["NetworkTypes"]),
        module(
            "Netfilter",
            [
                "NetworkTypes", "KernelErrors", "NetlinkAttributes", "GracePeriod", "PolledThread", "CLinuxShim",
                "CLibNFTNL",
            ]),
        module("BridgeGuard", ["NetworkTypes", "KernelErrors", "Netfilter"]),
        module(
            "ConnectionTracking",
            [
                "NetworkTypes", "CompiledPolicy", "KernelErrors", "NetlinkAttributes", "GracePeriod", "Netfilter",
                "CLibNFTNL",
            ]),
        .executableTarget(name: "bpf-embed", path: "Plugins/bpf-embed", swiftSettings: strict),
        .plugin(name: "EmbedBPF", capability: .buildTool(), dependencies: ["bpf-embed"]),
        .target(
            name: "DatapathEBPF",
            dependencies: [
                "NetworkTypes", "PolicyModel", "CompiledPolicy", "Datapath", "BulkheadABI", "CLibBPF", "CLinuxShim",
                "GracePeriod", "Netfilter", "ConnectionTracking",
            ],
            swiftSettings: strict, plugins: ["EmbedBPF"]),
        module("SystemClocks"),
        module(
            "DatapathNFTables",
            [
                "NetworkTypes", "PolicyModel", "CompiledPolicy", "Datapath", "CLibNFTNL", "NetlinkAttributes",
                "Netfilter", "ConnectionTracking", "SystemClocks",
            ]),

        // The chained CNI plugin. It is copied to nodes' plugin directories without the rest of Bulkhead, and starts for each pod.
        module("ChainedCNI", ["NetworkTypes", "Documents"]),
        .executableTarget(
            name: "bulkhead-cni", dependencies: ["ChainedCNI"], swiftSettings: strict,
            linkerSettings: sanitizer != nil
                ? [] : [.unsafeFlags(["-static-executable", "-use-ld=lld", "-Xlinker", "-s"])]),

        // Input and output.
        module("NodeNetwork", ["NetworkTypes", "NetlinkAttributes", "CLinuxShim", "PolledThread"]),
        module(
            "RequestSteering",
            [
                "NetworkTypes", "PolicyModel", "CompiledPolicy", "KernelErrors", "GracePeriod", "Netfilter",
                "NodeNetwork",
            ]),
        module("YAMLDocuments", ["Documents", yams]),
        module("WatchedFiles"),
        module("WholeFiles"),
        module("JournalFiles", ["KubernetesObjects", "Journal", "PolledThread", "WholeFiles"]),
        module(
            "Manifests", ["Documents", "KubernetesObjects", "YAMLDocuments", "WatchedFiles", "PolledThread"]),
        module(
            "KubernetesClient",
            [
                "NetworkTypes", "KubernetesWatch", "KubernetesObjects", "Documents", "YAMLDocuments", "CLinuxShim",
                httpClient, nioCore,
                nioPosix, nioSSL, nioHTTP1, logging,
            ]),
        module("CNIInstallation", ["ChainedCNI", "WatchedFiles", "PolledThread", "WholeFiles"]),
        module("FlowTelemetry", ["NetworkTypes", "PolicyModel", "CompiledPolicy", "Explanations", "Datapath"]),
        module("PrometheusText"),
        module(
            "ControlProtocol",
            [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "Requests", "CompiledPolicy",
                "Explanations", "CBuildCommit",
            ]),
        module(
            "PolicyCases",
            [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "Requests", "ClusterInventory",
                "ClusterVerdicts", "Reachability", "YAMLDocuments", "ControlProtocol",
            ]),
        module(
            "LeastPrivilege",
            [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "ClusterInventory", "ClusterVerdicts",
                "Reachability",
            ]),
        module("ControlViews", ["ControlProtocol"]),
        module("Findings", ["Documents", "ControlViews"]),
        module(
            "PolicyLint",
            [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyTranslation", "PolicyResolver",
                "CompiledPolicy", "PolicyPipeline", "Findings",
            ]),
        module(
            "PostureReport",
            [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyTranslation",
                "ClusterInventory", "Reachability", "ControlViews", "Findings",
            ]),
        module(
            "PolicyDescriptions",
            ["Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "ClusterState", "ControlProtocol"]),
        module(
            "CommandOptions",
            ["Documents", "PolicyModel", "KubernetesObjects", "CNIInstallation", "ControlProtocol", argumentParser]),
        module(
            "ControlSocket",
            [
                "NetworkTypes", "PolicyModel", "KubernetesObjects", "PolicyResolver", "Manifests", "FlowTelemetry",
                "ControlProtocol", "Requests", "RequestPolicy", "PrometheusText", "CLinuxShim", "PolledThread",
                hummingbirdCore, logging, lifecycle,
                nioCore, nioPosix,
            ]),
        module(
            "Agent",
            [
                "NetworkTypes", "PolicyModel", "Documents", "KubernetesObjects", "PolicyTranslation", "PolicyResolver",
                "ClusterState", "CompiledPolicy", "PolicyPipeline", "ClusterVerdicts", "Datapath", "SelfProof",
                "Manifests",
                "WatchedFiles",
                "FlowTelemetry", "ControlProtocol", "ControlSocket", "PrometheusText", "CLinuxShim", "PolledThread",
                "NodeNetwork", "KubernetesWatch", "KubernetesClient", "BridgeGuard", "Netfilter", "Explanations",
                "Requests", "RequestPolicy", "RequestSteering", "PolicyDescriptions", "Journal", "JournalFiles",
                "Reachability", "SystemClocks", "WholeFiles",
                logging, lifecycle,
            ]),
        .executableTarget(
            name: "bulkheadd",
            dependencies: [
                "CommandOptions", "NetworkTypes", "Documents", "KubernetesObjects", "PolicyResolver", "Agent",
                "ControlProtocol",
                "ControlSocket", "PolledThread", "Datapath", "DatapathEBPF", "DatapathNFTables", "Manifests",
                "KubernetesClient", "NodeNetwork", "ChainedCNI", "CNIInstallation", "CLinuxShim", "BridgeGuard",
                "RequestSteering", "JournalFiles", "ConnectionTracking", "Netfilter",
                argumentParser, logging, lifecycle, nioCore,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "bulkhead-http",
            dependencies: [
                "ControlProtocol", "Documents", "Netfilter", "NetworkTypes", "NodeNetwork", "PrometheusText",
                "RequestDecider", "RequestPolicy", "SPOP", "WholeFiles", argumentParser, nioCore, nioPosix, nioHTTP1,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "bulkheadctl",
            dependencies: [
                "CommandOptions", "NetworkTypes", "PolicyModel", "Documents", "KubernetesObjects", "ClusterVerdicts",
                "ClusterInventory", "KubernetesClient", "Manifests", "Requests", "PolicyResolver", "ControlProtocol",
                "DatapathEBPF", "DatapathNFTables", "Reachability", "YAMLDocuments",
                "NodeNetwork", "BridgeGuard", "RequestSteering", "ControlViews", "PolledThread", "CLibZ",
                "Findings", "PolicyLint", "PolicyCases", "LeastPrivilege", "PostureReport", "WatchedFiles",
                "WholeFiles", argumentParser, yams, nioCore, nioPosix, nioHTTP1,
            ],
            swiftSettings: strict),

        .executableTarget(
            name: "bulkhead-bench",
            dependencies: [
                "Documents", "NetworkTypes", "PolicyModel", "KubernetesObjects", "KubernetesProtobuf", "CompiledPolicy",
                "PolicyPipeline", "RequestPolicy", "RequestSteering", "Datapath", "DatapathEBPF", "DatapathNFTables",
                "SelfProof", "APIServerKit", "DocumentKit", "NetworkKit", "PacketKit", "WorldKit", "CLinuxShim",
                "ControlProtocol",
                "PolicyDescriptions", "PolicyResolver", "ClusterVerdicts", "Journal", "JournalFiles", "Reachability",
            ],
            path: "Benchmarks", swiftSettings: strict),

        // Tests.
        .target(
            name: "PolicyOracle", dependencies: ["KubernetesObjects", "NetworkTypes", "PolicyModel"],
            path: "Tests/PolicyOracle",
            swiftSettings: strict),
        kit("WorldKit", ["NetworkTypes", "KubernetesObjects", "PolicyOracle", "PolicyModel"]),
        kit("PacketKit", ["NetworkTypes", "WorldKit"]),
        kit("DocumentKit", ["KubernetesObjects", "PolicyModel", "Documents", "YAMLDocuments"]),
        kit("NetworkKit", ["NetworkTypes", "KubernetesObjects", "WorldKit", "PacketKit", "CLinuxShim", "Documents"]),
        kit(
            "APIServerKit",
            ["KubernetesObjects", "DocumentKit", "NetworkKit", "Documents", nioCore, nioPosix, nioHTTP1, nioSSL]),
        .executableTarget(
            name: "packet-probe", dependencies: ["NetworkKit", "NetworkTypes"], path: "Tests/PacketProbe",
            swiftSettings: strict),
        // What the demo runs: one build makes all four.
        .target(
            name: "DemoPrograms", dependencies: ["bulkheadd", "bulkheadctl", "bulkhead-http", "packet-probe"],
            path: "Tests/DemoPrograms", swiftSettings: strict),
        .executableTarget(
            name: "step-writer",
            dependencies: ["DatapathEBPF", "PolicyResolver", "PolicyPipeline", "NetworkKit", "WorldKit"],
            path: "Tests/StepWriter", swiftSettings: strict),
        .executableTarget(
            name: "load-facts", dependencies: ["Datapath", "DatapathEBPF"], path: "Tests/LoadFacts",
            swiftSettings: strict),
        .executableTarget(
            name: "journal-writer", dependencies: ["Journal", "JournalFiles", "KubernetesObjects", "WorldKit"],
            path: "Tests/JournalWriter", swiftSettings: strict),
        tests(
            "JournalTests",
            [
                "ClusterVerdicts", "Journal", "JournalFiles", "KubernetesObjects", "NetworkKit", "NetworkTypes",
                "PolicyModel", "PolicyResolver", "WorldKit",
            ]),
        tests("PolicyOracleTests", ["PolicyOracle", "KubernetesObjects", "NetworkTypes", "PolicyModel", "WorldKit"]),
        tests("WorldKitTests", ["WorldKit", "PolicyOracle", "KubernetesObjects", "NetworkTypes", "PolicyModel"]),
        tests("PacketKitTests", ["PacketKit", "WorldKit", "NetworkTypes"]),
        tests("DocumentsTests", ["Documents"]),
        tests("PolledThreadTests", ["PolledThread"]),
        tests("WholeFilesTests", ["WholeFiles"]),
        tests("NetworkTypesTests", ["NetworkTypes", "WorldKit"]),
        tests("KubernetesObjectsTests", ["Documents", "KubernetesObjects", "NetworkTypes", "WorldKit", "PolicyModel"]),
        tests(
            "KubernetesClientTests",
            [
                "Documents", "KubernetesClient", "KubernetesWatch", "KubernetesObjects", "Manifests", "APIServerKit",
                "DocumentKit", "NetworkKit", "NetworkTypes", logging, nioCore, nioEmbedded,
            ], waits: true),
        tests(
            "KubernetesWatchTests", ["Documents", "KubernetesWatch", "KubernetesObjects", "DocumentKit", "WorldKit"]),
        tests(
            "KubernetesProtobufTests",
            [
                "Documents", "KubernetesProtobuf", "KubernetesObjects", "NetworkTypes", "DocumentKit", "WorldKit",
                "PolicyModel",
            ]),
        tests("ManifestsTests", ["WatchedFiles", "Manifests", "KubernetesObjects", "WorldKit"]),
        tests(
            "PolicyTranslationTests",
            ["PolicyTranslation", "PolicyModel", "KubernetesObjects", "NetworkTypes", "WorldKit"]),
        tests(
            "ClusterStateTests",
            ["ClusterState", "PolicyModel", "KubernetesObjects", "NetworkTypes", "WorldKit"]),
        tests(
            "PolicyResolverTests",
            ["PolicyResolver", "ClusterState", "PolicyModel", "KubernetesObjects", "NetworkTypes", "WorldKit"]),
        tests(
            "SelfProofTests",
            [
                "SelfProof", "Datapath", "CompiledPolicy", "NetworkTypes", "PolicyModel", "PolicyPipeline", "WorldKit",
            ]),
        tests("CompiledPolicyTests", ["CompiledPolicy", "Explanations", "NetworkTypes", "PolicyModel"]),
        tests(
            "PolicyCompilerTests", ["PolicyCompiler", "CompiledPolicy", "NetworkTypes", "PolicyModel", "Requests"]),
        tests(
            "PolicyPipelineTests",
            [
                "PolicyPipeline", "PolicyResolver", "CompiledPolicy", "Explanations", "KubernetesObjects",
                "PolicyModel", "NetworkTypes", "WorldKit",
            ]),
        tests(
            "ReachabilityTests",
            [
                "Reachability", "PolicyOracle", "PolicyResolver", "KubernetesObjects", "PolicyModel", "NetworkTypes",
                "WorldKit", "PolicyPipeline", "CompiledPolicy",
            ]),
        tests(
            "PolicyDescriptionsTests",
            [
                "PolicyDescriptions", "PolicyPipeline", "PolicyResolver", "CompiledPolicy", "ControlProtocol",
                "KubernetesObjects", "PolicyModel", "NetworkTypes", "WorldKit",
            ]),
        tests(
            "ConformanceTests",
            [
                "ClusterVerdicts", "APIServerKit", "NetworkKit", "PacketKit", "WorldKit", "PolicyOracle",
                "PolicyPipeline", "PolicyResolver", "CompiledPolicy", "KubernetesObjects", "PolicyModel",
                "NetworkTypes", "Datapath", "DatapathEBPF", "DatapathNFTables", "Manifests", "Explanations", "Requests",
                "RequestPolicy", "RequestDecider", "SPOP", "SelfProof", "BulkheadABI", "CLibBPF",
                "ControlProtocol",
            ]),
        tests(
            "DatapathEBPFTests",
            [
                "DatapathEBPF", "Datapath", "CompiledPolicy", "PolicyModel", "NetworkTypes", "BulkheadABI",
                "ConnectionTracking", "NetworkKit", "PacketKit", "WorldKit", "CLinuxShim", "CLibBPF",
            ]),
        tests("NetlinkAttributesTests", ["NetlinkAttributes", "NetworkTypes"]),
        tests("NetfilterTests", ["Netfilter", "KernelErrors", "NetworkTypes", "NetworkKit"]),
        tests(
            "RequestSteeringTests",
            [
                "RequestSteering", "CompiledPolicy", "PolicyModel", "Netfilter", "NodeNetwork", "NetworkTypes",
                "NetworkKit",
            ]),
        tests("BridgeGuardTests", ["BridgeGuard", "Netfilter", "NetworkTypes", "NetworkKit"]),
        tests("GracePeriodTests", ["CGracePeriod", "NetworkKit"]),
        tests(
            "DatapathNFTablesTests",
            [
                "DatapathNFTables", "Datapath", "CompiledPolicy", "PolicyPipeline", "PolicyResolver", "PolicyOracle",
                "PolicyModel", "NetworkTypes", "Netfilter", "NetworkKit", "WorldKit", "CLibNFTNL", "SystemClocks",
            ]),
        tests("PrometheusTextTests", ["PrometheusText"]),
        tests("RequestsTests", ["Requests", "PolicyModel"]),
        tests("SPOPTests", ["SPOP"]),
        tests(
            "PolicyCasesTests",
            [
                "PolicyCases", "ClusterInventory", "KubernetesObjects", "PolicyModel", "Reachability", "WorldKit",
            ]),
        tests(
            "LeastPrivilegeTests",
            [
                "LeastPrivilege", "ClusterInventory", "ClusterVerdicts", "Documents", "KubernetesObjects", "Manifests",
                "NetworkTypes", "PolicyModel", "WorldKit",
            ]),
        tests(
            "ClusterInventoryTests",
            [
                "ClusterInventory", "Documents", "KubernetesObjects", "Manifests", "NetworkTypes", "PolicyModel",
                "WorldKit", "YAMLDocuments",
            ]),
        tests(
            "RequestPolicyTests",
            [
                "RequestPolicy", "CompiledPolicy", "PolicyCompiler", "PolicyPipeline", "PolicyModel", "NetworkTypes",
                "Requests", "WorldKit",
            ]),
        tests(
            "RequestDeciderTests",
            ["RequestDecider", "RequestPolicy", "SPOP", "CompiledPolicy", "PolicyModel", "NetworkTypes"]),
        tests("FlowTelemetryTests", ["FlowTelemetry"]),
        tests("ControlViewsTests", ["ControlViews", "ControlProtocol", "PolicyModel"]),
        tests("FindingsTests", ["Findings", "Documents"]),
        tests(
            "PolicyLintTests",
            [
                "PolicyLint", "Findings", "Manifests", "KubernetesObjects", "NetworkTypes", "PolicyModel",
                "PolicyPipeline",
                "PolicyResolver", "CompiledPolicy", "WorldKit",
            ]),
        tests(
            "PostureReportTests",
            [
                "PostureReport", "ClusterInventory", "Reachability", "Findings", "Manifests", "Documents",
                "KubernetesObjects", "NetworkTypes", "PolicyModel", "PolicyResolver", "WorldKit",
            ]),
        tests("ControlProtocolTests", ["ControlProtocol", "NetworkTypes", "PolicyModel", "Requests"]),
        tests(
            "AgentTests",
            [
                "PolledThread", "ControlSocket", "Agent", "Journal", "JournalFiles", "ClusterVerdicts", "APIServerKit",
                "NetworkKit", "WorldKit", "ControlProtocol", "PrometheusText",
                "Datapath", "FlowTelemetry", "CompiledPolicy", "Manifests", "NodeNetwork", "KubernetesClient",
                "KubernetesObjects", "PolicyModel", "PolicyResolver", "NetworkTypes", "RequestPolicy", "SPOP",
                "Documents", logging, lifecycle, nioCore,
            ], waits: true),
        tests("ChainedCNITests", ["ChainedCNI", "NetworkTypes"]),
        tests("CNIInstallationTests", ["CNIInstallation", "ChainedCNI"]),
        tests("NodeNetworkTests", ["NodeNetwork", "NetworkTypes", "NetworkKit"]),
        tests(
            "DeployTests",
            [
                "Agent", "CommandOptions", "ControlProtocol", "KubernetesWatch", "NetworkKit", "RequestDecider",
                "RequestPolicy", "SPOP", yams,
            ]),
        tests("TidyTests", []),
    ]
)

if sanitizer == "thread" {
    // In every program, because tests run them.
    package.targets.append(.target(name: "SanitizedMutex", path: "Tests/SanitizedMutex", cSettings: strictC))
    for target in package.targets where [.executable, .test].contains(target.type) {
        target.dependencies.append("SanitizedMutex")
    }
}
