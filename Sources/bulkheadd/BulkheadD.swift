// SPDX-License-Identifier: Apache-2.0
import Agent
import ArgumentParser
import ControlProtocol
import ControlSocket
import Dispatch
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
            Works in the network namespace that it is started in. What it programs stays in force when it stops, \
            crashes or is upgraded, until --cleanup or 'bulkheadctl uninstall' removes it.

            Exit codes: 0 done; 1 it could not start, or with --once the status is not healthy: a document was refused, \
            the kernel could not be programmed, or nothing is protected; 2 the command line is wrong.
            """,
        version: BuildVersion.text)

    enum DatapathKind: String, ExpressibleByArgument, CaseIterable {
        /// eBPF where the kernel can, else nftables.
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

    @Option(help: ArgumentHelp("This node's name, as pods have it in spec.nodeName.", valueName: "name"))
    var nodeName: String?

    @Option(
        help: ArgumentHelp("Directory of manifests to enforce and to watch.", valueName: "dir"),
        completion: .directory)
    var manifests: String?

    @Option(
        help: ArgumentHelp(
            "Directory of static guardrails, watched too: policies that are in force before anything else is known.",
            discussion: """
                Only policies may be there. One of them wins over every other object of its kind, namespace and name. \
                Policies of the Admin and Baseline tiers that select all pods hold for containers of this node as \
                well that no Pod object is known of yet.
                """, valueName: "dir"),
        completion: .directory)
    var guardrails: String?

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Keep what a directory or a file of it held in force when it becomes empty.",
            discussion: """
                A full disk, a crash or a missing volume look like that. The status reports it as a problem. A file \
                that holds only a comment is empty on purpose.
                """))
    var keepLastOnEmpty = true

    @Flag(
        help: ArgumentHelp(
            "Follow the API server of the cluster that this is a pod of.",
            discussion: "With the token and the authorities of the pod's service account."))
    var inCluster = false

    @Option(
        help: ArgumentHelp("Follow the API server that a kubeconfig leads to.", valueName: "file"),
        completion: .file())
    var kubeconfig: String?

    @Option(help: ArgumentHelp("The context of the kubeconfig, if not its current one.", valueName: "name"))
    var context: String?

    @Option(
        help: ArgumentHelp(
            "Address of the node's name server: pods may always reach it, whatever policy says. May be repeated.",
            valueName: "address"),
        transform: BulkheadD.nameServer)
    var nodeDNS: [IPAddress] = []

    @Flag(help: "Judge traffic from pods to their own node by NetworkPolicy too, not only by Admin and Baseline tiers.")
    var enforceOwnNode = false

    enum UnknownPorts: String, ExpressibleByArgument, CaseIterable {
        case allow
        case deny
    }

    @Option(
        help: ArgumentHelp(
            "What comes in by a bridge port of which no pod is known: allow, as long as it is nobody else's address, or deny.",
            discussion: """
                With deny a new pod on a bridge sends nothing, not even DHCP requests, before its addresses are known \
                by its object or by the CNI plugin.
                """))
    var unknownPorts: UnknownPorts = .allow

    @Flag(
        help: ArgumentHelp(
            "Let pods send tunnel packets (VXLAN, Geneve, GRE, IPIP, SIT, FOU) to nodes that have such tunnels.",
            discussion: "They come out of the node's tunnel as anybody's, so they are dropped otherwise."))
    var allowPodTunnels = false

    @Option(help: "What enforces in the kernel: ebpf, nftables, or auto, which is eBPF where the kernel can.")
    var datapath: DatapathKind = .auto

    @Flag(help: "Answer denied packets (TCP reset, ICMP prohibited) and don't drop them silently; nftables only.")
    var reject = false

    @Option(
        help: ArgumentHelp(
            "How often to check the nftables table for outside changes.",
            valueName: "seconds"))
    var watchInterval: Double = 5

    @Option(help: ArgumentHelp("Where the control socket is made.", valueName: "path"))
    var socket: String = ControlDefaults.socketPath

    @Option(
        help: ArgumentHelp(
            "Where /metrics, /healthz and /readyz are answered.",
            discussion: """
                Off by default. No authentication: anyone who can reach the address can read it. 127.0.0.1:9105 is for \
                probes of the kubelet and for agents on the node; :9105 is every address of the node.
                """, valueName: "host:port"),
        transform: BulkheadD.address)
    var metricsAddress: MetricsAddress?

    @Option(
        help: ArgumentHelp("File system in which the kernel's objects are pinned.", valueName: "dir"),
        completion: .directory)
    var bpffs: String = ControlDefaults.bpffs

    @OptionGroup(title: "CNI plugin") var plugin: PluginOptions

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: LogLevel = .info

    @Option(help: "How the log is written to standard error.")
    var logFormat: LogFormat = .text

    @Flag(help: "Put the manifests in force once, and exit.")
    var once = false

    @Flag(help: "Remove all that is in the kernel and the CNI plugin, and exit. Pods are unprotected afterwards.")
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
        if let guardrails, guardrails == manifests {
            throw ValidationError("--guardrails and --manifests have to be different directories")
        }
        if inCluster, kubeconfig != nil { throw ValidationError("--in-cluster and --kubeconfig exclude each other") }
        if context != nil, kubeconfig == nil { throw ValidationError("--context needs --kubeconfig") }
        if followsCluster, manifests != nil {
            throw ValidationError("with --in-cluster or --kubeconfig there can be no --manifests, only --guardrails")
        }
        if followsCluster, once { throw ValidationError("--once is for directories; the API server is followed") }
        if plugin.installCNI, once || cleanup { throw ValidationError("--install-cni needs a daemon that goes on") }
        if once, manifests == nil, guardrails == nil {
            throw ValidationError("--once needs --manifests or --guardrails")
        }
    }

    /// Whether an API server is followed.
    var followsCluster: Bool { inCluster || kubeconfig != nil }

    var policySettings: PolicySettings {
        PolicySettings(enforcesNetworkPolicyOnOwnNode: enforceOwnNode, nodeDNS: nodeDNS)
    }

    var logger: Logger {
        var logger = Logger(label: "bulkheadd") { [logFormat] _ in LineLogHandler(format: logFormat) }
        logger.logLevel = Logger.Level(rawValue: logLevel.rawValue) ?? .info
        return logger
    }
}

@main
enum Entry {
    /// Not asynchronous: capabilities belong to a thread and go over to the threads that it starts, so they are
    /// dropped before there is another one.
    static func main() {
        let command: BulkheadD
        do {
            command = try BulkheadD.parse()
        } catch {
            leave(because: error)
        }
        let logger = command.logger
        let setUp: ProcessSetUp
        do {
            setUp = try ProcessSetUp(for: command)
        } catch {
            logger.critical("\(error)")
            exit(1)
        }
        Task.detached { exit(await Run(command: command, setUp: setUp, logger: logger).result()) }
        dispatchMain()
    }

    private static func leave(because error: any Error) -> Never {
        let code = BulkheadD.exitCode(for: error)
        let text = BulkheadD.fullMessage(for: error)
        if code == .success {
            print(text)
            exit(0)
        }
        let line = Array("\(text)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(2)
    }
}
