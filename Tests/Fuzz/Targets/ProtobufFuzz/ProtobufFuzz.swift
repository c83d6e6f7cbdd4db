// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import KubernetesObjects
import KubernetesProtobuf

/// Any bytes as what an API server sends: read, or refused at a place inside them.
private func fuzzProtobuf(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    for kind in [ObjectKind.pod, .namespace, .node, .networkPolicy] { readList(bytes, kind) }
    check(count) { () throws(ProtobufError) in _ = try APIStatus.decode(bytes) }
    // The first byte cuts the stream in two: where it came apart must not matter.
    guard let first = bytes.first else { return 0 }
    let stream = bytes.dropFirst()
    let cut = stream.startIndex + min(Int(first), stream.count)
    let whole = frames([stream])
    precondition(whole == frames([stream[..<cut], stream[cut...]]))
    for frame in whole {
        for kind in [ObjectKind.pod, .networkPolicy] {
            check(frame.count) { () throws(ProtobufError) in _ = try ProtobufWatchEvent.decode(frame, kind: kind) }
        }
    }
    return 0
}

/// Both ways of reading give the same objects, or both refuse.
private func readList(_ bytes: [UInt8], _ kind: ObjectKind) {
    var list: ProtobufList?
    check(bytes.count) { () throws(ProtobufError) in list = try ProtobufList.decode(bytes, kind: kind) }
    let asDocuments = try? bytes.withUnsafeBytes {
        try ProtobufList.decode($0, kind: kind, source: "API server", readsDocumentsOnly: true)
    }
    precondition(list == asDocuments)
    for object in list?.objects ?? [] {
        precondition(object.object.kind == kind)
        _ = object.notUnderstood.map(\.description)
    }
}

private func check(_ count: Int, _ read: () throws(ProtobufError) -> Void) {
    do throws(ProtobufError) {
        try read()
    } catch {
        precondition((0...count).contains(error.offset))
        _ = error.description
    }
}

private func frames(_ parts: [ArraySlice<UInt8>]) -> [[UInt8]] {
    var (frames, result) = (WatchFrames(limit: 2000), [[UInt8]]())
    for part in parts {
        frames.push(part)
        while let frame = try? frames.next() { result.append(frame) }
    }
    return result
}

@main enum ProtobufFuzz {
    static func main() { exit(fuzz(fuzzProtobuf)) }
}
