// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// A world and what happened to it, batch by batch.
public struct WorldHistory: Sendable {
    public var start: World
    public var steps: [[ObjectEvent]]

    public init(start: World, steps: [[ObjectEvent]] = []) {
        self.start = start
        self.steps = steps
    }

    /// The world after all steps.
    public var end: World {
        var world = start
        for event in steps.joined() { world.apply(event) }
        return world
    }

    /// The shortest history in reach that still fails: no step, event, or object (or part of one) that was there at
    /// the start, can go.
    public func shrunk(fails: (WorldHistory) -> Bool) -> WorldHistory {
        Shrinking.smallest(of: self, candidates: \.simplifications, fails: fails)
    }

    private var simplifications: [WorldHistory] {
        var result = steps.lacking1.map { WorldHistory(start: start, steps: $0) }
        // What the first batch did, told at the start.
        if let first = steps.first {
            var later = self
            for event in first { later.start.apply(event) }
            later.steps.removeFirst()
            result.append(later)
        }
        for index in steps.indices {
            for variant in steps[index].lacking1 where !variant.isEmpty {
                var copy = self
                copy.steps[index] = variant
                result.append(copy)
            }
        }
        result += start.simplifications.map { WorldHistory(start: $0, steps: steps) }
        return result
    }

    /// Manifests of the start, then the events, so that a person can see a failure again.
    public func report(of flow: Flow) -> String {
        var text = start.report(of: flow)
        for (index, step) in steps.enumerated() {
            for event in step {
                switch event {
                case .removed(let key): text += "# step \(index + 1): removed \(key)\n"
                case .set(let object): text += "# step \(index + 1):\n" + KubernetesYAML.text(of: [object])
                }
            }
        }
        return text
    }
}
