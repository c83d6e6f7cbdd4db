// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// Addresses for what has none.
@Suite struct AddressTests {
    private static func deployments(_ names: [String]) -> String {
        names.map { "---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: \($0)}, spec: {template: {}}}\n" }
            .joined()
    }

    /// Addresses of pods, nodes and Services, and those that policies name, are not given.
    @Test func whatOccursElsewhereIsNotGiven() throws {
        let inventory = try inventory(
            """
            {apiVersion: v1, kind: Pod, metadata: {name: p}, status: {podIPs: [{ip: 10.244.0.1}, {ip: "fd00:10:244::1"}]}}
            ---
            {apiVersion: v1, kind: Node, metadata: {name: node}, status: {addresses: [{type: InternalIP, address: 10.244.0.2}]}}
            ---
            {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.244.0.3}}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: a}
            spec:
              podSelector: {}
              ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.244.0.4/32]}}]}]
              egress: [{to: [{ipBlock: {cidr: 10.244.0.8/29}}]}]
            ---
            apiVersion: policy.networking.k8s.io/v1alpha1
            kind: AdminNetworkPolicy
            metadata: {name: b}
            spec:
              priority: 1
              subject: {namespaces: {}}
              egress: [{action: Deny, to: [{networks: [10.244.0.6/32]}]}]
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: c}
            spec:
              rules: [{from: [{source: {ipBlocks: [10.244.0.7]}}], when: [{key: source.ip, values: [10.244.0.16/31]}]}]

            """ + Self.deployments(["d1", "d2", "d3"]))
        let given = try ["d1", "d2", "d3"].map { try inventory.pod("default", $0).podIPs.map(\.description) }
        #expect(
            given == [
                ["10.244.0.5", "fd00:10:244::2"], ["10.244.0.18", "fd00:10:244::3"], ["10.244.0.19", "fd00:10:244::4"],
            ])
        #expect(inventory.invented.map(\.name).sorted() == ["d1", "d2", "d3"])
    }

    /// Random clusters: all addresses are distinct, and real ones stay.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func noAddressIsGivenTwice(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var objects: [KubernetesObject] = []
        var real: [EndpointName: [IPAddress]] = [:]
        for number in 0..<120 {
            var pod = Pod(metadata: ObjectMeta(name: "p\(number)", namespace: "n\(number % 3)"), phase: .pending)
            if Bool.random(using: &random) {
                let low = UInt64.random(in: 1...200, using: &random)
                pod.podIPs = [
                    IPAddress(v4: 0x0af4_0000 + UInt32(low)), IPAddress(v6High: 0xfd00_0010_0244_0000, low: low),
                ]
                real[EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)] = pod.podIPs
            }
            objects.append(.pod(pod))
        }
        let inventory = try ClusterInventory(InventoryInput(objects: objects))
        var given: Set<IPAddress> = []
        let taken = Set(real.values.joined())
        for pod in inventory.pods {
            let name = EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
            if let addresses = real[name] {
                #expect(pod.podIPs == addresses && !inventory.invented.contains(name))
            } else {
                #expect(inventory.invented.contains(name) && pod.phase == .running)
                for address in pod.podIPs { #expect(given.insert(address).inserted && !taken.contains(address)) }
                #expect(pod.podIPs.count == 2)
            }
        }
    }

    /// Inventories that are compared share what they give.
    @Test func aPodKeepsItsAddress() throws {
        var addresses = InventedAddresses()
        let old = try ClusterInventory(input(["a.yaml": Self.deployments(["b", "c"])]).input, addresses: &addresses)
        let taken = "{apiVersion: v1, kind: Pod, metadata: {name: real}, status: {podIP: 10.244.0.2}}\n"
        let new = try ClusterInventory(
            input(["a.yaml": taken + Self.deployments(["a", "b", "c"])]).input, addresses: &addresses)
        func first(_ inventory: ClusterInventory, _ name: String) throws -> String? {
            try inventory.pod("default", name).podIPs.first?.description
        }
        #expect(try first(old, "b") == "10.244.0.1" && first(old, "c") == "10.244.0.2")
        #expect(try first(new, "b") == "10.244.0.1" && first(new, "a") == "10.244.0.3")
        // Its address is a real pod's now.
        #expect(try first(new, "c") == "10.244.0.4")
    }

    /// A second family would be fiction in a cluster that has one; the command line may ask for it.
    @Test func families() throws {
        let single = "{apiVersion: v1, kind: Pod, metadata: {name: real}, status: {podIP: 10.1.0.1}}\n"
        func given(_ text: String, _ networks: String...) throws -> [String] {
            var addresses = InventedAddresses(networks.map(cidr))
            let inventory = try ClusterInventory(
                input(["a.yaml": text + Self.deployments(["d"])]).input, addresses: &addresses)
            return try inventory.pod("default", "d").podIPs.map(\.description)
        }
        #expect(try given("") == ["10.244.0.1", "fd00:10:244::1"])
        #expect(try given(single) == ["10.244.0.1"])
        #expect(try given(single, "10.1.0.0/16", "fd01::/64") == ["10.1.0.2", "fd01::1"])
        #expect(try given("", "fd01::5/128") == ["fd01::5"])
        #expect(try given("", "0.0.0.0/0") == ["0.0.0.1"])
    }

    /// A pod that has no address in either of two clusters gets the same families in both.
    @Test func familiesOfComparedClusters() throws {
        func text(_ addresses: String) -> String {
            "{apiVersion: v1, kind: Pod, metadata: {name: real}, status: {podIPs: [\(addresses)]}}\n"
                + Self.deployments(["d"])
        }
        let inputs = ["{ip: 10.1.0.1}", "{ip: 10.1.0.1}, {ip: \"fd00::1\"}"].map { input(["a.yaml": text($0)]).input }
        var addresses = InventedAddresses(comparing: inputs)
        let given = try inputs.map { try ClusterInventory($0, addresses: &addresses).pod("default", "d").podIPs }
        #expect(given[0] == given[1] && given[0].map(\.family) == [.ipv4, .ipv6])
    }

    /// Networks may overlap, and may be too small.
    @Test func whatIsExhausted() throws {
        func given(_ count: Int, _ networks: String...) throws -> [IPAddress] {
            var addresses = InventedAddresses(networks.map(cidr))
            let names = (0..<count).map { "d\($0)" }
            let inventory = try ClusterInventory(
                input(["a.yaml": Self.deployments(names)]).input, addresses: &addresses)
            return inventory.pods.flatMap(\.podIPs)
        }
        #expect(Set(try given(2, "10.9.0.0/30")) == [address("10.9.0.1"), address("10.9.0.2")])
        #expect(Set(try given(6, "10.9.0.0/30", "10.9.0.0/29")).count == 6)
        let error = #expect(throws: InventoryError.self) { try given(7, "10.9.0.0/30", "10.9.0.0/29") }
        #expect(error == .addressesExhausted(.ipv4, networks: [cidr("10.9.0.0/30"), cidr("10.9.0.0/29")]))
        #expect(
            error.map { "\($0)" } == """
                no free IPv4 address is left in 10.9.0.0/30, 10.9.0.0/29 for pods that have none: name a larger or \
                further one with --pod-cidr
                """)
    }

    /// Finished pods have no address, and need none.
    @Test func finishedPods() throws {
        let inventory = try inventory(
            "{apiVersion: v1, kind: Pod, metadata: {name: done}, status: {phase: Succeeded}}\n")
        #expect(inventory.pods.map(\.podIPs) == [[]] && inventory.pods.first?.phase == .succeeded)
        #expect(inventory.invented.isEmpty)
    }

    private static let host = """
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: agent, namespace: kube-system}
        spec: {template: {spec: {hostNetwork: true}}}

        """

    /// Host-network pods have the addresses of a node.
    @Test func hostNetworkPods() throws {
        let alone = try inventory(Self.host)
        #expect(alone.workloads.map(\.isHostNetwork) == [true])
        #expect(alone.nodes.map(\.metadata.name) == ["stand-in-node"])
        #expect(alone.nodes.first?.addresses == addresses("198.18.0.1", "2001:db8::1"))
        #expect(alone.pods.allSatisfy { $0.podIPs.isEmpty && $0.hostIPs == addresses("198.18.0.1", "2001:db8::1") })
        let node = """
            {apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}}
            ---
            {apiVersion: v1, kind: Node, metadata: {name: n1}}

            """
        let known = try inventory(node + Self.host)
        #expect(known.nodes.map(\.addresses) == [[], addresses("192.168.0.2")])
        #expect(known.pods.allSatisfy { $0.nodeName == "n2" && $0.hostIPs == addresses("192.168.0.2") })
        let named = try inventory(
            "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {hostNetwork: true, nodeName: n7}}\n")
        #expect(named.nodes.map(\.metadata.name) == ["n7"] && named.pods.first?.hostIPs == named.nodes.first?.addresses)
    }
}
