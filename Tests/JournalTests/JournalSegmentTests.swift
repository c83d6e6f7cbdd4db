// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects
import Testing
import WorldKit

/// Records as bytes, whole and damaged.
@Suite struct JournalSegmentTests {
    private static func records(_ count: Int, seed: UInt64 = 1) -> [JournalRecord] {
        var random = WorldRandom(seed: seed)
        var records: [JournalRecord] = []
        for number in 1...count {
            let time = JournalTime(wall: Int64(number) * 1000, uptime: Int64(number) * 1000 - 7)
            let object = numbered(number)
            let version = ObjectVersion(resourceVersion: "4711", generation: random.chance(percent: 50) ? 3 : 0)
            let content: JournalContent
            switch random.below(4) {
            case 0:
                content = .event(
                    JournalEvent(
                        .resolved, subject: "a\nb", "text \"quoted\"", boot: "boot", isBase: random.chance(percent: 50),
                        resolvedBefore: 2, resolvedAfter: 3, found: .part))
            case 1:
                content = .effect(
                    JournalEffect(
                        step: 1, pods: ["shop/web"], podCount: 40, verdicts: ["now denies"], verdictCount: 9,
                        isElsewhere: random.chance(percent: 50)))
            case 2:
                content = .change(
                    JournalChange(
                        key: object.key, after: object.journalDocument, source: "socket", step: UInt64(number),
                        isElsewhere: random.chance(percent: 50),
                        version: version))
            default:
                content = .change(
                    JournalChange(
                        key: object.key, before: object.journalDocument, source: "/manifests", step: UInt64(number),
                        whileStopped: true))
            }
            records.append(
                JournalRecord(
                    sequence: UInt64(number), previous: UInt64(number - 1), time: time, content: content))
        }
        return records
    }

    private static func segment(_ records: [JournalRecord]) -> [UInt8] {
        var bytes = JournalSegment.head
        for record in records { JournalSegment.append(record, to: &bytes) }
        return bytes
    }

    /// RFC 3720, appendix B.4, and the customary check value.
    @Test func checksum() {
        func value(_ bytes: [UInt8]) -> UInt32 {
            var checksum = CRC32C()
            checksum.add(bytes)
            return checksum.value
        }
        #expect(value(Array("123456789".utf8)) == 0xe306_9283)
        #expect(value([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(value([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    }

    @Test func writtenAndRead() {
        let records = Self.records(200)
        let found = JournalSegment.records(in: Self.segment(records))
        #expect(found.records == records && found.damaged == 0)
    }

    @Test func heads() {
        #expect(JournalSegment.headKind(JournalSegment.head) == .readable)
        #expect(JournalSegment.headKind(JournalSegment.head(of: 2)) == .newer(2))
        #expect(JournalSegment.headKind(JournalSegment.head(of: 0)) == .unreadable)
        #expect(JournalSegment.headKind([]) == .unreadable)
    }

    /// What is read after any flip of bits or cut is some of what was written, in order; and damage is counted.
    @Test func damage() {
        var random = WorldRandom(seed: 3)
        let records = Self.records(40)
        let bytes = Self.segment(records)
        var afterDamage = 0
        for _ in 0..<3000 {
            var broken = bytes
            for _ in 0..<random.between(1, 3) {
                let place = random.between(0, bytes.count - 1)
                broken[place] ^= UInt8(1 << random.below(8))
            }
            if random.chance(percent: 30) { broken.removeLast(random.between(1, bytes.count - 1)) }
            let found = JournalSegment.records(in: broken)
            var rest = records[...]
            for record in found.records {
                guard let place = rest.firstIndex(of: record) else {
                    Issue.record("a record that was not written: \(record)")
                    break
                }
                rest = rest[(place + 1)...]
            }
            let isCutBetween = broken.count < bytes.count && found.records == Array(records.prefix(found.records.count))
            #expect(found.damaged > 0 || isCutBetween || broken == bytes)
            if found.damaged > 0, found.records.count > 1 { afterDamage += 1 }
        }
        #expect(afterDamage > 1000)
    }

    /// One damaged record does not hide those after it.
    @Test func onlyTheDamagedRecordIsLost() {
        let records = Self.records(10)
        var bytes = Self.segment(records)
        let upToFour = Self.segment(Array(records.prefix(4))).count
        bytes[upToFour + JournalSegment.frameSize + 5] ^= 0x40
        let found = JournalSegment.records(in: bytes)
        #expect(found.records == Array(records.prefix(4)) + Array(records.suffix(5)) && found.damaged == 1)
    }

    @Test func checkpoints() {
        let objects = WorldGenerator(seed: 5, isAuthorized: true).world.writable.objects
        let state = JournalState(
            objects: Dictionary(objects.map { ($0.key, $0) }, uniquingKeysWith: { $1 }), resolved: 4)
        let bytes = JournalCheckpoint(sequence: 77, state: state).bytes(limit: 1 << 20) ?? []
        let read = JournalCheckpoint(bytes)
        #expect(read?.sequence == 77 && read?.state.resolved == 4)
        #expect(read?.state.objects.mapValues(\.journalDocument) == state.objects.mapValues(\.journalDocument))
        #expect(JournalCheckpoint(sequence: 77, state: state).bytes(limit: 100) == nil)
        for place in stride(from: 0, to: bytes.count, by: 37) {
            var broken = bytes
            broken[place] ^= 1
            #expect(JournalCheckpoint(broken) == nil)
        }
        #expect(JournalCheckpoint(Array(bytes.dropLast(bytes.count / 3))) == nil)
    }
}
