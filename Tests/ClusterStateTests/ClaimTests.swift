// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel
import Testing

/// Who has an address.
@Suite struct ClaimTests {
    /// The row's last claim prevails over each before it.
    private static let rows: [(String, [Claim])] = [
        (
            "an interface alone, pushed, an object, the runtime",
            [
                claim(.unknown, "", "veth0", .interfaceAlone), claim(.pushed, "", "vm", .pushed),
                claim(.pod, "shop", "web", .object), claim(.pod, "shop", "api", .runtime),
            ]
        ),
        (
            "no age counts against a greater source",
            [
                claim(.unknown, "", "veth0", .interfaceAlone, age: .max), claim(.pushed, "", "vm", .pushed, age: 9),
                claim(.pod, "shop", "web", .object, age: -1), claim(.held, "shop", "api one", .runtime, age: .min),
            ]
        ),
        (
            "the younger object", [claim(.pod, "z", "z", .object, age: 1), claim(.pod, "a", "a", .object, age: 2)]
        ),
        ("equally old: the greater namespace", [claim(.pod, "a", "z", .object), claim(.pod, "b", "a", .object)]),
        ("then the greater name", [claim(.pod, "a", "y", .object), claim(.pod, "a", "z", .object)]),
    ]

    private static func claim(
        _ kind: EndpointKind, _ namespace: String, _ name: String, _ source: ClaimSource, age: Int64 = 0
    ) -> Claim {
        Claim(
            address: IPAddress(v4: 0x0a00_0001), endpoint: EndpointName(kind: kind, namespace: namespace, name: name),
            source: source, age: age)
    }

    @Test(arguments: rows) func theStrongestPrevails(_ row: String, _ claims: [Claim]) {
        for (number, claim) in claims.enumerated() {
            for (other, otherClaim) in claims.enumerated() {
                #expect(claim.yields(to: otherClaim) == (number < other), "\(row): \(claim) \(otherClaim)")
            }
        }
    }

    /// Whatever the order in which claims are made and taken back.
    @Test(arguments: rows) func theOrderOfClaimsIsNone(_ row: String, _ claims: [Claim]) {
        let address = claims[0].address
        for order in Self.permutations(Array(claims.indices)) {
            var table = ClaimTable()
            var present: [Int] = []
            for number in order {
                let owner = table.claim(address, by: UInt32(number)) { claims[Int($0)] }
                #expect(owner.before == present.max().map(UInt32.init))
                present.append(number)
                #expect(owner.after == present.max().map(UInt32.init))
                #expect(table.owner(of: address) == owner.after, "\(row): \(order)")
            }
            for number in order {
                let owner = table.disclaim(address, by: UInt32(number)) { claims[Int($0)] }
                #expect(owner.before == present.max().map(UInt32.init))
                present.removeAll { $0 == number }
                #expect(owner.after == present.max().map(UInt32.init))
                #expect(table.owner(of: address) == owner.after, "\(row): \(order)")
            }
            #expect(table.owners.isEmpty)
        }
    }

    @Test func anUncontestedAddressAsksForNoClaim() {
        var table = ClaimTable()
        let (one, two) = (IPAddress(v4: 1), IPAddress(v4: 2))
        func none(_ number: UInt32) -> Claim { preconditionFailure("asked for \(number)") }
        #expect(table.claim(one, by: 7, as: none) == ClaimTable.OwnerChange(before: nil, after: 7))
        #expect(table.claim(two, by: 8, as: none) == ClaimTable.OwnerChange(before: nil, after: 8))
        #expect(table.disclaim(one, by: 7, as: none) == ClaimTable.OwnerChange(before: 7, after: nil))
        #expect(table.owners == [two: 8])
    }

    /// What people and documents see of each kind.
    @Test func namesAreShownByTheirKind() {
        let attachment = PodAttachment(uid: "one", namespace: "shop", name: "web", addresses: [])
        let rows: [(EndpointName, namespace: String, name: String, description: String)] = [
            (EndpointName(namespace: "shop", name: "web"), "shop", "web", "shop/web"),
            (EndpointName(heldFor: attachment), "(held)", "shop/web one", "(held)/shop/web one"),
            (EndpointName(unknownBehind: "veth0"), "(unknown)", "veth0", "(unknown)/veth0"),
            (EndpointName(kind: .pushed, namespace: "", name: "vm"), "", "vm", "vm"),
            (EndpointName(kind: .pushed, namespace: "site", name: "vm"), "site", "vm", "site/vm"),
        ]
        for row in rows {
            #expect(row.0.shownNamespace == row.namespace && row.0.shownName == row.name)
            #expect(row.0.description == row.description)
        }
        #expect(
            rows.map(\.0).sorted().map(\.description)
                == ["vm", "(held)/shop/web one", "(unknown)/veth0", "shop/web", "site/vm"])
        // A pod and what was pushed under its name are two endpoints.
        #expect(EndpointName(namespace: "a", name: "b") < EndpointName(kind: .pushed, namespace: "a", name: "b"))
    }

    private static func permutations(_ rest: [Int]) -> [[Int]] {
        rest.isEmpty
            ? [[]] : rest.flatMap { first in permutations(rest.filter { $0 != first }).map { [first] + $0 } }
    }
}
