// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesWatch
import Testing

/// The versions that a watch reports beside its objects.
@Suite struct ObjectVersionTests {
    private func key(_ name: String) -> ObjectKey { ObjectKey(kind: .namespace, namespace: "", name: name) }

    @Test func changesAndRemovalsAfterTheFirstList() throws {
        var driver = WatchDriver()
        try driver.list([("a", 1), ("b", 2)], at: 5)
        #expect(driver.watch.takeVersions().isEmpty, "of the first list, only policies have one")
        try driver.head()
        let generation = #"{"metadata":{"name":"a","resourceVersion":"6","generation":3}}"#
        try driver.bytes(#"{"type":"MODIFIED","object":\#(generation)}"# + "\n")
        try driver.bytes(WatchDriver.event("DELETED", "b", 7))
        let expected = [
            key("a"): ObjectVersion(resourceVersion: "6", generation: 3), key("b"): ObjectVersion(resourceVersion: "7"),
        ]
        #expect(driver.watch.takeVersions() == expected)
        #expect(driver.watch.takeVersions().isEmpty)
        // A repetition changes nothing.
        try driver.bytes(WatchDriver.event("MODIFIED", "a", 6))
        #expect(driver.watch.takeVersions().isEmpty)
    }
}
