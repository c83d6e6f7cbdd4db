// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import Testing
import WorldKit

/// Objects as JSON, which is how pushed objects are kept.
@Suite struct EncodingTests {
    @Test func decodingGivesBackWhatWasWritten() throws {
        for seed in 0..<30 {
            for object in WorldGenerator(seed: UInt64(seed)).world.objects where Self.canBeWritten(object) {
                let node = try JSONReader.read(Array(object.document.json.utf8))
                let decoded = ObjectDecoder.decode(node, file: "t.json")
                #expect(decoded.errors.isEmpty && decoded.objects == [object], "\(object.document.json)")
            }
        }
    }

    /// A rule with a list of ports that is empty, or with parts that are not understood, comes from an API server alone.
    private static func canBeWritten(_ object: KubernetesObject) -> Bool {
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
