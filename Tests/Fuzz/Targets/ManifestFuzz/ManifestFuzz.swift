// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import KubernetesObjects
import Manifests

/// Any bytes as a manifest: documents with errors give no objects, places are inside the text, and a set that has seen
/// the text twice, or something before it, holds nothing that cannot be explained.
private func fuzzManifest(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let reader = ManifestReader()
    let documents = reader.read(bytes, file: "f.yaml")
    // YAML 1.1 ends lines with carriage returns and U+0085, U+2028 and U+2029 as well.
    let lines = bytes.count { [0x0a, 0x0d, 0x85, 0xa8, 0xa9].contains($0) } + 1
    for document in documents {
        precondition(document.decoded.errors.isEmpty || document.decoded.items.isEmpty)
        precondition(document.decoded.errors.allSatisfy { (1...lines).contains($0.line) })
        precondition(document.decoded.items.allSatisfy { (1...lines).contains($0.line) })
        _ = document.decoded.errors.map(\.description) + document.decoded.notices.map(\.description)
    }
    let moved = Array("# one line more\n---\n".utf8) + bytes
    precondition(
        reader.read(moved, file: "f.yaml", reusing: documents) == reader.read(moved, file: "f.yaml"))

    fuzzLimits(bytes, documents)

    var manifests = ManifestSet()
    let first = manifests.apply(["f.yaml": .content(bytes)])
    precondition(first.count == manifests.objectCount)
    precondition(manifests.apply(["f.yaml": .content(bytes)]).isEmpty)
    // A broken text keeps all of it; the file's end takes all of it away.
    precondition(manifests.apply(["f.yaml": .content(Array("kind: [".utf8))]).isEmpty)
    precondition(manifests.apply(["f.yaml": .removed]).count == first.count)
    return 0
}

/// The same under narrow limits: nothing takes effect that would not without them, and reports are limited.
private func fuzzLimits(_ bytes: [UInt8], _ unbounded: [ManifestDocument]) {
    var limits = ManifestLimits(depth: 8, aliasedNodes: 16)
    (limits.documents, limits.signs, limits.jsonValues, limits.problems) = (3, 64, 80, 4)
    let documents = ManifestReader(limits: limits).read(bytes, file: "f.yaml")
    precondition(documents.count <= limits.documents)
    precondition(
        documents.reduce(0) { $0 + $1.decoded.errors.count } <= limits.problems + DecodedDocument.errorLimit + 1)
    let objects = Set(unbounded.flatMap(\.decoded.objects))
    precondition(documents.flatMap(\.decoded.objects).allSatisfy(objects.contains))
    // A document that was skipped for its kind contains none of Bulkhead's objects.
    precondition(
        unbounded.allSatisfy {
            $0.decoded.notices.isEmpty || !$0.decoded.hasUnknownObjects || !$0.decoded.errors.isEmpty
        })
}

@main enum ManifestFuzz {
    static func main() { exit(fuzz(fuzzManifest)) }
}
