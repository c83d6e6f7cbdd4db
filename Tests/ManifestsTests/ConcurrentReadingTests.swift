// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import Manifests
import Testing

/// Large files are read side by side; what is read is the same as file by file.
@Suite struct ConcurrentReadingTests {
    @Test func largeFilesAndSmallOnes() throws {
        var files = ["small.yaml": Self.pod("small", 1)]
        for number in 0..<6 {
            // The names of pods repeat in other files, so that the order of files decides.
            let pods = (0..<700).map { Self.pod("pod-\($0 + number * 500)", number) }
            let isJSON = number.isMultiple(of: 2)
            let text = pods.joined(separator: isJSON ? "\n" : "\n---\n") + (number == 3 ? "\n---\nkind: [\n" : "")
            #expect(text.utf8.count > 1 << 16)
            files["large-\(number).\(isJSON ? "json" : "yaml")"] = text
        }
        let path = NSTemporaryDirectory() + "bulkhead-reading-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var set = ManifestSet(isExtracting: true)
        for (name, text) in files {
            try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
            _ = set.apply(["\(path)/\(name)": .content(Array(text.utf8))])
        }
        let check = ManifestCheck.run(paths: [path], isExtracting: true)
        #expect(check.objects == set.objects && check.objects.count == 3201)
        #expect(check.problems == set.problems && check.problems.count > 1000)
        #expect(check.notices == set.notices && check.extracts == set.extracts && check.services == set.services)
        #expect(check.documentCount == set.documentCount)
    }

    private static func pod(_ name: String, _ node: Int) -> String {
        #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\#(name)", "namespace": "shop"}, "#
            + #""spec": {"nodeName": "node-\#(node)", "hostNetwork": false}}"#
    }
}
