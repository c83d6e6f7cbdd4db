// SPDX-License-Identifier: Apache-2.0
import Agent
import ArgumentParser
import CommandOptions
import ControlProtocol
import NetworkTypes
import RequestSteering

/// How flows are handed to the node's proxy pod, where authorization policies read HTTP requests.
struct RequestOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The pod that decides about HTTP requests on this node, by its namespace and service account.",
            valueName: "namespace/serviceaccount"),
        transform: RequestOptions.account)
    var requestProxy = RequestProxyName()

    @Option(
        help: ArgumentHelp(
            "Two bits of packet and connection marks that nothing else on the node uses.",
            discussion: """
                MASK has two bits. VALUE is the one that leads to the proxy; the other one marks packets from the \
                proxy. kube-proxy uses 0x4000 and 0x8000, Calico by default 0xffff0000, Cilium 0xf00 and 0xffff0000, \
                and the AWS VPC CNI 0x80.
                """, valueName: "value/mask"),
        transform: RequestOptions.marks)
    var requestMark = SteeringSettings.defaultMarks

    @Option(
        help: ArgumentHelp(
            "A routing table that nothing else on the node uses; it leads to the proxy.", valueName: "number"))
    var requestTable: UInt32 = SteeringSettings.defaultTable

    @Option(
        help: ArgumentHelp(
            "The priority of the routing rules that lead to this table.",
            discussion: """
                They must come before all rules that choose a table by the address of a pod. Cilium has such rules at \
                20, 110 and 111, Calico with WireGuard at 99, and the AWS VPC CNI from 512.
                """, valueName: "number"))
    var requestPriority: UInt32 = SteeringSettings.defaultPriority

    @Option(
        help: ArgumentHelp(
            "Path of the socket that serves only the proxy; by default requests/requests.sock beside the control socket.",
            valueName: "path"))
    var requestSocket: String?

    @Option(
        help: ArgumentHelp(
            "A user that may call that socket, in addition to root and the daemon's own. May be repeated.",
            valueName: "uid"))
    var requestUser: [UInt32] = []

    func validate() throws {
        // linux/rtnetlink.h: unspecified, default, main and local.
        if [0, 253, 254, 255].contains(requestTable) {
            throw ValidationError(
                "--request-table must be neither 0 nor one of the kernel's own tables 253, 254 and 255")
        }
        // 0 is the kernel's rule for the local table.
        guard (2..<SteeringSettings.priorityLimit).contains(requestPriority) else {
            throw ValidationError(
                "--request-priority must be from 2 to \(SteeringSettings.priorityLimit - 1): the kernel's own rules have 0, "
                    + "32766 and 32767, and after those no packet would reach the proxy")
        }
    }

    var settings: RequestSettings {
        RequestSettings(
            proxyNamespace: requestProxy.namespace, proxyAccount: requestProxy.account,
            steering: SteeringSettings(marks: requestMark, table: requestTable, priority: requestPriority),
            users: Set(requestUser))
    }

    /// - Parameter socket: the control socket.
    func socketPath(beside socket: String) -> String {
        requestSocket ?? ControlDefaults.requestSocketPath(beside: socket)
    }

    private static func account(_ text: String) throws -> RequestProxyName {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else {
            throw ValidationError("'\(text)' is not NAMESPACE/SERVICEACCOUNT, such as kube-system/bulkhead-http")
        }
        if let reason = KubernetesName.problem(label: parts[0]) {
            throw ValidationError("--request-proxy: the namespace '\(parts[0])' \(reason)")
        }
        if let reason = KubernetesName.problem(subdomain: parts[1]) {
            throw ValidationError("--request-proxy: the service account '\(parts[1])' \(reason)")
        }
        return RequestProxyName(namespace: parts[0], account: parts[1])
    }

    private static func marks(_ text: String) throws -> SteeringMarks {
        do {
            return try SteeringMarks(text)
        } catch {
            throw ValidationError("--request-mark \(error)")
        }
    }
}

/// The identity of the proxy pod.
struct RequestProxyName: CustomStringConvertible {
    var namespace = RequestSettings().proxyNamespace
    var account = RequestSettings().proxyAccount

    var description: String { "\(namespace)/\(account)" }
}
