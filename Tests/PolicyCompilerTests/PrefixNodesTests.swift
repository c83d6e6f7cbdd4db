// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyCompiler
import Testing

@Suite struct PrefixNodesTests {
    private static let written = ["10.1.0.0/16", "10.0.0.0/8", "10.1.2.0/24", "192.168.0.1/32", "fd00::/8"]

    private var nodes: PrefixNodes {
        var nodes = PrefixNodes()
        _ = nodes.retain(Self.written.map(cidr))
        return nodes
    }

    private func text(_ node: UInt32, _ nodes: PrefixNodes) -> String {
        node == PrefixNodes.root ? "root" : "\(nodes.prefix(node))"
    }

    @Test func nodesStandInOrderUnderTheLongestPrefixAround() {
        let nodes = nodes
        let rows = nodes.order.map { "\(text($0, nodes)) under \(text(nodes.nodes[Int($0)].parent, nodes))" }
        #expect(
            rows == [
                "10.0.0.0/8 under root", "10.1.0.0/16 under 10.0.0.0/8", "10.1.2.0/24 under 10.1.0.0/16",
                "192.168.0.1/32 under root", "fd00::/8 under root",
            ])
    }

    @Test(arguments: [
        ("10.1.2.3", "10.1.2.0/24"), ("10.1.3.3", "10.1.0.0/16"), ("10.2.0.0", "10.0.0.0/8"), ("11.0.0.0", "root"),
        ("9.255.255.255", "root"), ("192.168.0.1", "192.168.0.1/32"), ("192.168.0.2", "root"), ("fdff::1", "fd00::/8"),
        ("fe80::1", "root"), ("::1", "root"),
    ])
    func theLongestNodeAroundAnAddress(_ text: String, node: String) {
        let nodes = nodes
        #expect(self.text(nodes.longest(address(text)), nodes) == node)
    }

    @Test(arguments: [
        ("10.0.0.0/8", ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24"]), ("10.1.0.0/17", ["10.1.2.0/24"]),
        ("0.0.0.0/0", ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.168.0.1/32"]), ("11.0.0.0/8", []),
        ("::/0", ["fd00::/8"]),
    ])
    func nodesInsideAPrefix(_ prefix: String, inside: [String]) {
        let nodes = nodes
        #expect(nodes.order[nodes.inside(cidr(prefix))].map { text($0, nodes) } == inside)
    }

    @Test func aNodeLivesAsLongAsSomethingNamesIt() {
        var nodes = nodes
        #expect(nodes.retain([cidr("10.1.0.0/16")]).isEmpty, "it is there")
        #expect(nodes.release([cidr("10.1.0.0/16")]).isEmpty, "the first reference is left")
        let unused = nodes.release([cidr("10.1.0.0/16")])
        #expect(unused.map { text($0, nodes) } == ["10.1.0.0/16"])
        nodes.remove(unused)
        #expect(nodes.number(of: cidr("10.1.0.0/16")) == nil)
        #expect(text(nodes.longest(address("10.1.3.3")), nodes) == "10.0.0.0/8")
        let inner = nodes.longest(address("10.1.2.3"))
        #expect(text(nodes.nodes[Int(inner)].parent, nodes) == "10.0.0.0/8", "its children move up")
        #expect(nodes.release([cidr("172.16.0.0/12")]).isEmpty, "nobody named that one")
    }
}
