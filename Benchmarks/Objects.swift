// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import Foundation
import KubernetesObjects
import KubernetesProtobuf

struct WrongCount: Error {}

private func page(_ texts: [String]) throws -> (protobuf: [UInt8], json: [UInt8]) {
    let nodes = try texts.map { try JSONReader.read(Array($0.utf8)) }
    let metadata = DocumentNode(.mapping([]))
    return (
        try ProtobufWriter.list(of: .pod, nodes, metadata: metadata),
        Array(#"{"apiVersion": "v1", "kind": "PodList", "items": [\#(texts.joined(separator: ","))]}"#.utf8)
    )
}

/// Processor time of one page, in microseconds a pod; the median of many readings.
private func microseconds(_ count: Int, rounds: Int, _ read: () throws -> Int) throws -> Double {
    try (0..<rounds).map { _ in
        try processorMilliseconds { guard try read() == count else { throw WrongCount() } } * 1000 / Double(count)
    }.median
}

private func readJSON(_ body: [UInt8]) throws -> Int {
    let document = ObjectDecoder.decode(try JSONReader.read(body), file: "page", mode: .lenient)
    return document.notUnderstood.isEmpty ? document.items.count : 0
}

/// Prints what reading an API server's pods costs in protobuf and in JSON, in one run; processor time.
func benchObjects() throws {
    let count = 500
    let texts = (0..<count).map(ProtobufPod.json)
    let (protobuf, json) = try page(texts)
    print("objects: a page of \(count) pods of \(protobuf.count / count) bytes each (JSON \(json.count / count))")
    let fast = try microseconds(count, rounds: 200) { try ProtobufList.decode(protobuf, kind: .pod).objects.count }
    let slow = try microseconds(count, rounds: 10) { try readJSON(json) }
    print("objects: protobuf \(shown(fast)) µs a pod (target 1.6), JSON \(shown(slow)): \(shown(slow / fast)) times")

    // No two pods of one template: nothing is shared.
    let alone = try page((0..<count).map { ProtobufPod.json($0 * 30) }).protobuf
    let apart = try microseconds(count, rounds: 200) { try ProtobufList.decode(alone, kind: .pod).objects.count }
    print("objects: protobuf where no two pods have the same labels: \(shown(apart)) µs a pod")

    // 30 pages of different pods, ten times over: 50 MB, which no cache holds.
    let pages = try (0..<30).map { part in try page((0..<count).map { ProtobufPod.json(part * count + $0) }).protobuf }
    let all = try processorMilliseconds {
        for _ in 0..<10 {
            for page in pages where try ProtobufList.decode(page, kind: .pod).objects.count != count {
                throw WrongCount()
            }
        }
    }
    print("objects: 150,000 pods in pages of \(count): \(shown(all)) ms (target below 1,000 with all that follows)")

    let event = try ProtobufWriter.watchEvent(
        type: "MODIFIED", object: ProtobufWriter.object(JSONReader.read(Array(texts[0].utf8))))
    let watched = try microseconds(1000, rounds: 50) {
        var seen = 0
        for _ in 0..<1000 { if case .modified = try ProtobufWatchEvent.decode(event, kind: .pod) { seen += 1 } }
        return seen
    }
    print("objects: one watch event: \(shown(watched)) µs")
}
