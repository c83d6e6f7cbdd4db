// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability
import Testing
import WorldKit

/// Addresses that neither of two clusters can tell apart.
@Suite struct JointUnitTests {
    /// Twenty pods of one workload, each on another node.
    private static func map(_ node: String, _ addresses: [String] = []) throws -> ReachabilityMap {
        var objects: [KubernetesObject] = []
        var workloads: [EndpointName: WorkloadKey] = [:]
        for number in 1...20 {
            let pod = Pod("p\(number)", [:], ["10.0.1.\(number)"], node: "\(node)\(number)")
            objects.append(.pod(pod))
            objects.append(.node(Node(pod.nodeName, addresses.map { "\($0).\(number)" })))
            workloads[EndpointName(namespace: "shop", name: "p\(number)")] = WorkloadKey(
                namespace: "shop", kind: "Deployment", name: "p")
        }
        return try ReachabilityMap(objects: objects, workloads: workloads)
    }

    private static func comparisons(_ old: ReachabilityMap, _ new: ReachabilityMap) throws -> Int {
        var maps = (old, new)
        let difference = try ReachabilityDifference(&maps.0, &maps.1)
        #expect(difference.isEqual)
        return difference.comparisons
    }

    /// Where no node has an address, it does not matter where pods are. Otherwise each has an own node of its own.
    @Test func podsMove() throws {
        #expect(try Self.comparisons(Self.map("a"), Self.map("b")) < 10)
        #expect(try Self.comparisons(Self.map("a", ["192.168.0"]), Self.map("b", ["192.168.0"])) >= 20 * 19)
        #expect(try Self.comparisons(Self.map("a"), Self.map("b", ["192.168.0"])) >= 20 * 19)
    }
}
