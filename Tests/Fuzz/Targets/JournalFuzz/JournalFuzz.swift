// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import Journal
import KubernetesObjects

/// Any bytes as a file of the journal and as a checkpoint: read within bounds, each step forward; a record that is read
/// is written and read alike; and any records answer questions about the past.
///
/// No input could guess a checksum, so lines of it are also read as records.
private func fuzzJournal(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    check(bytes)
    check(JournalSegment.head + bytes)
    var records: [JournalRecord] = []
    for content in bytes.split(separator: 0) { records += readAlike(content) }
    records.sort { $0.sequence < $1.sequence }
    ask(records)
    return 0
}

private func check(_ bytes: [UInt8]) {
    let frames = JournalSegment.frames(in: bytes)
    var end = 0
    for content in frames.contents {
        precondition(content.lowerBound >= end + 8 && content.upperBound <= bytes.count)
        end = content.upperBound
    }
    precondition(JournalSegment.records(in: bytes).records.count <= frames.contents.count)
    _ = JournalCheckpoint(bytes)
}

private func readAlike(_ content: ArraySlice<UInt8>) -> [JournalRecord] {
    guard let record = JournalRecord(content) else { return [] }
    var written = JournalSegment.head
    JournalSegment.append(record, to: &written)
    precondition(JournalSegment.records(in: written).records == [record])
    return [record]
}

private func ask(_ records: [JournalRecord]) {
    var position = JournalPosition(time: JournalTime(wall: 1 << 40, uptime: 1 << 40))
    for record in records { position.last[record.ring] = record.sequence }
    let past = JournalPast(records, position: position)
    for record in records {
        guard let moment = try? past.moment(after: record.sequence) else { continue }
        _ = try? past.state(at: moment, present: JournalState())
        _ = past.podsElsewhere(at: moment)
        _ = try? past.moment(at: record.time.wall)
    }
}

@main enum JournalFuzz {
    static func main() { exit(fuzz(fuzzJournal)) }
}
