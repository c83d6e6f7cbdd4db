// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests
import Testing
import WorldKit

/// What the tests print when a random world fails must be that world when the command line reads it.
@Suite struct PropertyManifestTests {
    @Test func printedWorldsAreReadAsTheyWere() {
        for seed in 1...100 as ClosedRange<UInt64> {
            let world = WorldGenerator(seed: seed, isAuthorized: true).world.writable
            let documents = ManifestReader().read(Array(world.yaml.utf8), file: "world.yaml")
            let errors = documents.flatMap(\.decoded.errors)
            #expect(errors.isEmpty, "seed \(seed): \(errors)")
            let objects = documents.flatMap(\.decoded.objects)
            let differing = zip(objects, world.objects).filter { $0 != $1 }
            #expect(objects.count == world.objects.count && differing.isEmpty, "seed \(seed): \(differing)")
        }
    }
}
