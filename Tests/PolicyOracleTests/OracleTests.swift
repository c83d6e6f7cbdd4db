// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyOracle
import Testing
import WorldKit

/// The oracle against SEMANTICS.md, a row for each sentence. All on node n1, cluster `Cluster.base`.
struct OracleTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var says: String
        var policies: [NetworkPolicy]
        var flow: String
        var egress: Bool?
        var ingress: Bool?
        var change: @Sendable (inout Cluster) -> Void = { _ in }
        var testDescription: String { "\(says): \(flow)" }
    }

    @Test(arguments: Row.selection + Row.peers)
    func selectionAndPeers(_ row: Row) { check(row) }

    @Test(arguments: Row.portRules + Row.namedPorts)
    func ports(_ row: Row) { check(row) }

    @Test(arguments: Row.alwaysAllowed + Row.claims)
    func alwaysAllowedAndAddresses(_ row: Row) { check(row) }

    private func check(_ row: Row) {
        var cluster = Cluster.base
        row.change(&cluster)
        let oracle = Oracle(objects: cluster.objects + row.policies.map(KubernetesObject.networkPolicy), nodeName: "n1")
        let verdict = oracle.verdict(flow(row.flow))
        #expect(verdict.egress == row.egress, "\(row.says): \(row.flow): \(verdict)")
        #expect(verdict.ingress == row.ingress, "\(row.says): \(row.flow): \(verdict)")
        let denied = row.egress == false || row.ingress == false
        #expect(verdict.verdict == (denied ? .deny : .allow))
    }

    @Test func withoutTransportHeaderOnlyIsolationMatters() {
        let open = webPolicy("open", [.ingress], ingress: [NetworkPolicyRule()])
        let oracle = Oracle(objects: Cluster.base.objects + [.networkPolicy(open)], nodeName: "n1")
        func verdict(_ source: String, _ destination: String) -> OracleVerdict {
            oracle.verdictWithoutTransport(source: address(source), destination: address(destination))
        }
        // web is isolated in ingress although the rule allows all; egress is not isolated.
        #expect(verdict("10.0.2.1", "10.0.1.1").ingress == false)
        #expect(verdict("10.0.1.1", "10.0.2.1").egress == true)
        #expect(verdict("192.168.0.1", "10.0.1.1").ingress == true)
        #expect(verdict("10.0.1.1", "10.0.1.1").verdict == .allow)
        #expect(verdict("8.8.8.8", "10.0.2.1") == OracleVerdict())
    }

    @Test func theLastOfTwoObjectsOfOneNameCounts() {
        let first = webPolicy("p", [.ingress])
        let second = webPolicy("p", [.ingress], ingress: [NetworkPolicyRule()])
        let objects = Cluster.base.objects + [.networkPolicy(first), .networkPolicy(second)]
        #expect(Oracle(objects: objects, nodeName: "n1").verdict(flow("8.8.8.8 10.0.1.1 tcp 80")).ingress == true)
    }
}
