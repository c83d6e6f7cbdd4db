// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import Testing
import WorldKit

/// Objects as JSON, which is how pushed objects are kept.
@Suite struct EncodingTests {
    @Test func decodingGivesBackWhatWasWritten() throws {
        for seed in 0..<30 as Range<UInt64> {
            let world = WorldGenerator(seed: seed, isAuthorized: !seed.isMultiple(of: 3)).world
            for object in world.objects where Self.canBeWritten(object) {
                let node = try JSONReader.read(Array(object.document.json.utf8))
                let decoded = ObjectDecoder.decode(node, file: "t.json")
                #expect(decoded.errors.isEmpty && decoded.objects == [object], "\(object.document.json)")
            }
        }
    }

    /// What cannot be carried out is kept as well, and reported again.
    @Test func fieldsWithoutEffectAreKept() throws {
        let spec = """
            {"action": "DENY", "targetRefs": [{"group": "g", "kind": "Gateway", "name": "x"}],
             "rules": [{"from": [{"source": {"requestPrincipals": ["a"], "notRequestPrincipals": ["b"],
                "remoteIpBlocks": ["10.0.0.1"], "notRemoteIpBlocks": ["10.0.0.0/8"]}}],
               "when": [{"key": "request.auth.claims[iss]", "values": ["a"]},
                 {"key": "request.auth.principal", "notValues": ["b"]}]}]}
            """
        let policy = try onlyAuthorization(decodeAuthorization(spec))
        #expect(policy.allUnknown.count == 7)
        let again = ObjectDecoder.decode(
            try JSONReader.read(Array(KubernetesObject.authorizationPolicy(policy).document.json.utf8)), file: "t.json")
        #expect(try onlyAuthorization(again) == policy)
    }

    /// A rule with a list of ports that is empty, or with parts that are not understood, comes from an API server alone.
    private static func canBeWritten(_ object: KubernetesObject) -> Bool {
        if case .authorizationPolicy(let policy) = object { return policy.allUnknown.isEmpty }
        guard case .tierPolicy(let policy) = object else { return true }
        return (policy.ingress + policy.egress).allSatisfy { $0.ports != [] && $0.unknown.isEmpty }
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"), (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (1_709_210_096, "2024-02-29T12:34:56.000Z"), (-62_135_596_800, "0001-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func moments(seconds: Int64, text: String) {
        #expect(Timestamp.text(seconds: seconds, milliseconds: 0) == text)
        #expect(Timestamp.seconds(text) == seconds)
    }

    @Test func everyDayOfFourCenturiesIsReadAsItIsWritten() {
        for day in stride(from: Int64(-80_000), to: 80_000, by: 1) {
            let text = Timestamp.text(seconds: day * 86400 + 1, milliseconds: 5)
            if Timestamp.seconds(text) != day * 86400 + 1 { Issue.record("\(day): \(text)") }
        }
    }
}
