// SPDX-License-Identifier: Apache-2.0
import Glibc
import Netfilter
import NetworkKit
import NetworkTypes
import NodeNetwork

/// A transparent TCP proxy in a pod: HAProxy, which connects on with the client's address, and the rules that lead every
/// TCP packet of the pod's network namespace to it.
struct ProxyStandIn: ~Copyable {
    private let process: NetProcess
    static let port: UInt16 = 15001
    /// A table of the pod's own; the mark has no meaning outside.
    private static let table: UInt32 = 100
    private static let mark: UInt32 = 1

    private static let configuration = """
        defaults
            mode tcp
            retries 0
            timeout connect 1s
            timeout client 10s
            timeout server 10s
        frontend flows
            bind 127.0.0.1:15001 transparent
            bind [::1]:15001 transparent v6only
            default_backend pods
        backend pods
            source 0.0.0.0 usesrc clientip
            server pod 0.0.0.0:0

        """

    /// - Parameter directory: where its configuration is written.
    init(in pod: NetPod, directory: String) throws {
        let file = "\(directory)/haproxy.cfg"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw NetError.system("create \(file)", errno) }
        let text = Array(Self.configuration.utf8)
        let written = write(descriptor, text, text.count)
        close(descriptor)
        guard written == text.count else { throw NetError.system("write \(file)", errno) }
        try pod.namespace.command("sysctl", "-qw", "net.ipv4.ip_local_port_range=10240 32767")
        try pod.namespace.run {
            try Self.lead()
        }
        let started = try pod.namespace.start(["haproxy", "-db", "-f", file])
        do {
            try NetClock.wait("the proxy's listener", seconds: 5) {
                try pod.namespace.command("ss", "-tlnH").contains(":\(Self.port)")
            }
        } catch {
            try started.stop(SIGKILL)
            throw error
        }
        process = started
    }

    func stop() throws { try process.stop(SIGKILL) }

    private static func lead() throws {
        var contents = TableContents(TableIdentity(.inet, "bulkhead-stand-in"))
        let marks = Term.setMarkBits(.packet, mask: .max, value: mark)
        let rules = AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .transportProtocol(.tcp),
                .redirectToProxy(
                    family == .ipv4 ? IPAddress(v4: 0x7f00_0001) : IPAddress(v6High: 0, low: 1), port: port),
                marks, .verdict(.accept),
            ])
        }
        contents.chains["prerouting"] = TableChain(
            "prerouting", hook: .init("prerouting", number: 0, priority: -150),
            rules: [TableRule([.transportProtocol(.tcp), .transparentSocket, marks, .verdict(.accept)])] + rules)
        try NetfilterSocket().commit(Transaction(replacing: contents), to: contents.table)
        var routing = try PolicyRouting()
        for family in AddressFamily.allCases {
            try routing.set(TableRoute(defaultOf: family, table: table, .local(if_nametoindex("lo"))))
            try routing.add(MarkRule(family, priority: 100, mark: mark, mask: .max, table: table))
        }
    }
}
