// SPDX-License-Identifier: Apache-2.0
import Agent
import ArgumentParser
import CommandOptions
import ControlProtocol
import ControlSocket
import Dispatch
import FoundationEssentials
import Glibc
import Logging
import NetworkTypes
import PolicyResolver

/// The command line of the daemon.
struct BulkheadD: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulkheadd",
        abstract: "Enforces network policy for the pods of one node.",
        discussion: """
            Works in the network namespace in which it is started. What it programs stays in force when it stops, \
            crashes or is upgraded, until --cleanup or 'bulkheadctl uninstall' removes it.

            Each option but --once and --cleanup may be a variable of the environment: BULKHEADD_LOG_FORMAT=json is \
            --log-format json, and BULKHEADD_INSTALL_CNI=true is --install-cni. Arguments override variables. The \
            values of an option that may be repeated are separated by commas.

            Exit codes: 0 success; 1 it could not start, or with --once the status is not healthy: a document was \
            refused, the kernel could not be programmed, or nothing is protected; 2 the command line is wrong.
            """,
        version: BuildVersion.text)

    enum DatapathKind: String, ExpressibleByArgument, CaseIterable {
        /// eBPF if the kernel supports it, otherwise nftables.
        case auto
        case ebpf
        case nftables
    }

    /// The levels of swift-log.
    enum LogLevel: String, ExpressibleByArgument, CaseIterable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
        case critical
    }

    enum LogFormat: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Option(help: ArgumentHelp("The name of this node, as in the spec.nodeName of its pods.", valueName: "name"))
    var nodeName: String?

    @Option(
        help: ArgumentHelp("Directory of manifests to enforce and to watch.", valueName: "dir"),
        completion: .directory)
    var manifests: String?

    @Option(
        help: ArgumentHelp(
            "Directory of static guardrails, also watched: policies that take effect before anything else is known.",
            discussion: """
                It may hold only policies. Each of them overrides every other object of its kind, namespace and name. \
                Policies of the Admin and Baseline tiers that select all pods also apply to containers on this node \
                without a known Pod object.
                """, valueName: "dir"),
        completion: .directory)
    var guardrails: String?

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Keep the previous content in force when a directory or one of its files becomes empty.",
            discussion: """
                A full disk, a crash or a missing volume look the same. The status reports it as a problem. A file \
                with only a comment is empty on purpose.
                """))
    var keepLastOnEmpty = true

    @Flag(
        help: ArgumentHelp(
            "Follow the API server of the cluster in which this daemon runs as a pod.",
            discussion: "Uses the token and the certificate authorities of the pod's service account."))
    var inCluster = false

    @Option(
        help: ArgumentHelp("Follow the API server of this kubeconfig.", valueName: "file"),
        completion: .file())
    var kubeconfig: String?

    @Option(help: ArgumentHelp("The context of the kubeconfig; by default its current one.", valueName: "name"))
    var context: String?

    @Option(
        help: ArgumentHelp(
            "Address of the node's name server. Pods may always reach it, whatever policy says. May be repeated.",
            valueName: "address"),
        transform: BulkheadD.nameServer)
    var nodeDNS: [IPAddress] = []

    @Flag(help: "Enforce NetworkPolicy, not only the Admin and Baseline tiers, on traffic from pods to their own node.")
    var enforceOwnNode = false

    enum UnknownPorts: String, ExpressibleByArgument, CaseIterable {
        case allow
        case deny
    }

    @Option(
        help: ArgumentHelp(
            "Frames from a bridge port without a known pod: allow (unless the address belongs to someone else) or deny.",
            discussion: """
                With deny, a new pod on a bridge sends nothing, not even DHCP requests, before its object or the CNI \
                plugin reports its addresses.
                """))
    var unknownPorts: UnknownPorts = .allow

    @Flag(
        help: ArgumentHelp(
            "Let pods send tunnel packets (VXLAN, Geneve, GRE, IPIP, SIT, FOU) to nodes that have such tunnels.",
            discussion: "The inner packets leave the tunnel with any source, so they are dropped by default."))
    var allowPodTunnels = false

    @Option(help: "The datapath that enforces in the kernel: ebpf, nftables, or auto (eBPF if the kernel supports it).")
    var datapath: DatapathKind = .auto

    @Flag(
        help:
            "Answer denied packets with a TCP reset or ICMP prohibited instead of dropping them silently; nftables only."
    )
    var reject = false

    @Option(
        help: ArgumentHelp(
            "How often to check the nftables table for outside changes.",
            valueName: "seconds"))
    var watchInterval: Double = 5

    @Option(
        help: ArgumentHelp(
            "How much of one processor to use for asking kernel and policy the same questions; 0: ask nothing.",
            discussion: "A difference is logged, repaired and counted, and makes the status unhealthy until then.",
            valueName: "percent"))
    var selfProof: Double = 0.5

    @Option(help: ArgumentHelp("Path of the control socket.", valueName: "path"))
    var socket: String = ControlDefaults.socketPath

    @Option(
        help: ArgumentHelp(
            "Address that serves /metrics, /healthz and /readyz.",
            discussion: """
                Off by default. No authentication: anyone who can reach the address can read it. 127.0.0.1:9105 suits \
                the kubelet's probes and agents on the node; :9105 is every address of the node.
                """, valueName: "host:port"),
        transform: BulkheadD.address)
    var metricsAddress: MetricsAddress?

    @Option(
        help: ArgumentHelp("BPF file system in which the kernel's objects are pinned.", valueName: "dir"),
        completion: .directory)
    var bpffs: String = ControlDefaults.bpffs

    @OptionGroup(title: "Journal") var journal: JournalOptions

    @OptionGroup(title: "CNI plugin") var plugin: PluginOptions

    @OptionGroup(title: "Authorization") var mesh: MeshOptions
    @OptionGroup(title: "Authorization of HTTP requests") var requests: RequestOptions

    @OptionGroup(title: "Flows") var recording: FlowOptions

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: LogLevel = .info

    @Option(help: "Format of the log on standard error.")
    var logFormat: LogFormat = .text

    @Flag(help: "Apply the manifests once, and exit.")
    var once = false

    @Flag(help: "Remove everything from the kernel, and the CNI plugin, and exit. Pods are then unprotected.")
    var cleanup = false

    private static func address(_ text: String) throws -> MetricsAddress {
        guard let address = MetricsAddress(text) else {
            throw ValidationError("'\(text)' is not HOST:PORT, such as 127.0.0.1:9105 or [::1]:9105")
        }
        return address
    }

    private static func nameServer(_ text: String) throws -> IPAddress {
        guard let address = try? IPAddress(text) else {
            throw ValidationError(
                "'\(text)' is not an IP address; --node-dns takes the address of the node's name server, such as "
                    + "169.254.20.10")
        }
        return address
    }

    func validate() throws {
        if once, cleanup { throw ValidationError("--once and --cleanup exclude each other") }
        if !cleanup, nodeName?.isEmpty ?? true {
            throw ValidationError(
                "--node-name is missing: give this node's name as pods have it in spec.nodeName, which "
                    + "'kubectl get nodes' shows and which need not be the host's name")
        }
        if reject, datapath != .nftables { throw ValidationError("--reject needs --datapath nftables") }
        if !(0.1...86400).contains(watchInterval) {
            throw ValidationError("--watch-interval is from 0.1 to 86400 seconds")
        }
        if !(0...100).contains(selfProof) { throw ValidationError("--self-proof is from 0 to 100 percent") }
        if let guardrails, guardrails == manifests {
            throw ValidationError("--guardrails and --manifests must be different directories")
        }
        if inCluster, kubeconfig != nil { throw ValidationError("--in-cluster and --kubeconfig exclude each other") }
        if context != nil, kubeconfig == nil { throw ValidationError("--context needs --kubeconfig") }
        if followsCluster, manifests != nil {
            throw ValidationError("--manifests cannot be used with --in-cluster or --kubeconfig; --guardrails can")
        }
        if followsCluster, once { throw ValidationError("--once works only with directories, not with an API server") }
        if plugin.installCNI, once || cleanup {
            throw ValidationError("--install-cni cannot be used with --once or --cleanup")
        }
        if once, manifests == nil, guardrails == nil {
            throw ValidationError("--once needs --manifests or --guardrails")
        }
    }

    /// Whether an API server is followed.
    var followsCluster: Bool { inCluster || kubeconfig != nil }

    var policySettings: PolicySettings {
        PolicySettings(
            enforcesNetworkPolicyOnOwnNode: enforceOwnNode, nodeDNS: nodeDNS, mesh: mesh.settings)
    }

    var logger: Logger {
        var logger = Logger(label: "bulkheadd") { [logFormat] _ in LineLogHandler(format: logFormat) }
        logger.logLevel = Logger.Level(rawValue: logLevel.rawValue) ?? .info
        return logger
    }
}

@main
enum Entry {
    /// Not asynchronous: capabilities belong to a thread and are inherited by the threads that it starts, so they are
    /// dropped before there is a second one.
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        var given = OptionVariables.Given(arguments: arguments)
        let command: BulkheadD
        do {
            given = try BulkheadD.given(ProcessInfo.processInfo.environment, arguments)
            command = try BulkheadD.parse(given.arguments)
        } catch {
            leave(because: error, given)
        }
        let logger = command.logger
        if !given.variables.isEmpty {
            let names = given.variables.values.sorted().joined(separator: " ")
            logger.info("options from the environment", metadata: ["variables": "\(names)"])
        }
        let setUp: ProcessSetUp
        do {
            setUp = try ProcessSetUp(for: command)
        } catch {
            logger.critical("\(error)")
            ServiceNotifier().tell(.status("cannot start: \(error)"))
            exit(1)
        }
        Task.detached { exit(await Run(command: command, setUp: setUp, logger: logger).result()) }
        dispatchMain()
    }

    private static func leave(because error: any Error, _ given: OptionVariables.Given) -> Never {
        let code = BulkheadD.exitCode(for: error)
        let text = error is OptionVariables.Problem ? "Error: \(error)" : BulkheadD.fullMessage(for: error)
        if code == .success {
            print(text)
            exit(0)
        }
        let line = Array("\(given.explained(CommandMessage.styled(text)))\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(2)
    }
}
