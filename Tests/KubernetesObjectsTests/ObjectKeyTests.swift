// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Testing

/// Keys are in the order of their texts, and equal only if all parts are.
@Suite struct ObjectKeyTests {
    @Test func order() {
        let names = ["a", "b", "ba", "é"]
        let keys = ObjectKind.allCases.flatMap { kind in
            names.flatMap { namespace in names.map { ObjectKey(kind: kind, namespace: namespace, name: $0) } }
        }
        func parts(_ key: ObjectKey) -> (String, String, String) { (key.kind.rawValue, key.namespace, key.name) }
        let sorted = keys.sorted { parts($0) < parts($1) }
        #expect(keys.shuffled().sorted() == sorted)
        #expect(Set(keys).count == keys.count && Set(keys + keys).count == keys.count)
        for (index, key) in sorted.enumerated() {
            #expect(sorted.firstIndex(of: key) == index)
        }
    }
}
