// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NodeNetwork
import Testing

/// One test at a time: each changes settings of the kernel and waits for them to be put back.
@Suite(.serialized) struct BridgeFilteringTests {
    @Test func switchesOnInItsNamespaceAlone() throws {
        try NetWorld.with(pods: [], links: .bridged) { world in
            #expect(try world.node.run { BridgeFiltering.ensure() } == .switchedOn)
            #expect(try world.node.run { BridgeFiltering.ensure() } == .on)
            #expect(try world.nodes[1].run { BridgeFiltering.ensure() } == .switchedOn)
            try world.node.sysctl([("bridge/bridge-nf-call-ip6tables", 0)])
            #expect(try world.node.run { BridgeFiltering.ensure() } == .switchedOn)
        }
    }

    @Test func saysWhatIsMissing() throws {
        guard case .off(let problem, let remedy) = BridgeFiltering.ensure(settings: "/nowhere") else {
            Issue.record("a directory that is not there")
            return
        }
        #expect(problem.contains("/nowhere") && remedy.contains("modprobe br_netfilter"))
    }

    @Test func saysWhatCannotBeSet() throws {
        var path = Array("/tmp/bulkhead-bridge-XXXXXX".utf8CString)
        #expect(mkdtemp(&path) != nil)
        let directory = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? NetProcess.run(["rm", "-r", directory]) }
        // Files that say 0 whatever is written; then none.
        try NetProcess.run(["ln", "-s", "/dev/zero", "\(directory)/bridge-nf-call-iptables"])
        for wanted in ["does not keep", "No such file"] {
            guard case .off(let problem, let remedy) = BridgeFiltering.ensure(settings: directory) else {
                Issue.record("a setting that cannot be set")
                return
            }
            #expect(problem.contains(wanted), "\(problem)")
            #expect(remedy.contains("sysctl -w net.bridge.bridge-nf-call-iptables=1"))
            unlink("\(directory)/bridge-nf-call-iptables")
        }
    }
}
