// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesWatch
import Testing
import WorldKit

/// A server as simple as can be, and a network that does all that networks do: whatever happens, in the end the watch
/// knows what the server holds, and on the way it drops nothing that is there.
@Suite struct RandomWatchTests {
    private struct Server {
        struct Change {
            var version: Int
            var type: String
            var name: String
        }
        var version = 1
        var objects: [String: Int] = [:]
        var history: [Change] = []
        /// Changes up to here are forgotten.
        var compacted = 0
        var everDeleted: Set<String> = []

        mutating func change(_ random: inout SplitMix64) {
            version += Int.random(in: 1...3, using: &random)
            let name = "n\(Int.random(in: 0..<12, using: &random))"
            let isThere = objects[name] != nil
            if isThere, Int.random(in: 0..<3, using: &random) == 0 {
                objects[name] = nil
                everDeleted.insert(name)
                history.append(Change(version: version, type: "DELETED", name: name))
            } else {
                objects[name] = version
                history.append(Change(version: version, type: isThere ? "MODIFIED" : "ADDED", name: name))
            }
        }
    }

    /// What goes on for one request, as the server and the network see it.
    private struct Exchange {
        var id: RequestID
        /// Of a watch: up to where changes were sent.
        var sent: Int?
        var isHeadSent = false
    }

    private struct Run {
        var random: SplitMix64
        var server = Server()
        var driver: WatchDriver
        var exchange: Exchange?
        /// Pages are cut from the state that the first one saw.
        var snapshots: [Int: [(String, Int)]] = [:]

        init(seed: UInt64) {
            random = SplitMix64(seed: seed)
            var settings = WatchSettings()
            settings.pageSize = 3
            settings.frameLimit = 2000
            driver = WatchDriver(settings: settings, seed: seed)
            for _ in 0..<8 { server.change(&random) }
        }

        mutating func chance(_ one: Int, in many: Int) -> Bool { Int.random(in: 0..<many, using: &random) < one }

        mutating func step(faults: Bool) throws {
            guard let request = driver.request else { return try driver.fire() }
            if exchange?.id != request.id { exchange = Exchange(id: request.id) }
            if faults, chance(1, in: 6) { return try fault(request.request.target) }
            if faults, chance(1, in: 20) { server.compacted = server.version }
            if request.request.target.contains("watch=1") {
                try answerWatch(request.request.target, faults: faults)
            } else {
                try answerList(request.request.target)
            }
        }

        private mutating func fault(_ target: String) throws {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: try driver.breakConnection()
            case 1: try driver.answer(500, "oh")
            case 2: try driver.answer(429, WatchDriver.status(429, "TooManyRequests"), retryAfter: 1)
            case 3: try driver.answer(410, WatchDriver.status(410, "Expired"))
            case 4: try driver.fire()
            case 5:
                try driver.head()
                if driver.request?.id == exchange?.id { try driver.bytes(#"{"type":"ADDED","object":{"metada"#) }
                if driver.request?.id == exchange?.id { try driver.end() }
            case 6:
                try driver.head()
                if driver.request?.id == exchange?.id { try driver.bytes(String(repeating: "?", count: 3000)) }
                if driver.request?.id == exchange?.id { try driver.breakConnection() }
            default:
                driver.put(.end(exchange!.id))
                if driver.request?.id == exchange?.id { driver.request = nil }
            }
        }

        private mutating func answerList(_ target: String) throws {
            var snapshot = server.version
            var from = 0
            if let token = target.split(separator: "continue=").dropFirst().first {
                let parts = token.split(separator: ".").compactMap { Int($0) }
                (snapshot, from) = (parts[0], parts[1])
                guard snapshot >= server.compacted else {
                    return try driver.answer(410, WatchDriver.status(410, "Expired"))
                }
            }
            let all = snapshots[snapshot] ?? server.objects.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            snapshots[snapshot] = all
            let page = all.dropFirst(from).prefix(3)
            let next = from + page.count
            try driver.list(Array(page), at: snapshot, continuing: next < all.count ? "\(snapshot).\(next)" : "")
        }

        private mutating func answerWatch(_ target: String, faults: Bool) throws {
            if exchange?.isHeadSent == false {
                let since = Int(target.split(separator: "resourceVersion=")[1].prefix { $0.isNumber }) ?? 0
                if since < server.compacted { return try driver.answer(410, WatchDriver.status(410, "Expired")) }
                exchange?.sent = since
                exchange?.isHeadSent = true
                return try driver.head()
            }
            var changes = server.history.filter { $0.version > exchange?.sent ?? 0 }
            if faults { changes = Array(changes.prefix(Int.random(in: 0...3, using: &random))) }
            let last = changes.last?.version ?? exchange?.sent ?? 0
            if faults, changes.count > 1, chance(1, in: 4) { changes.swapAt(0, 1) }
            if faults, let again = changes.first, chance(1, in: 4) { changes.append(again) }
            var text = changes.map { WatchDriver.event($0.type, $0.name, $0.version) }.joined()
            if !faults || chance(1, in: 4) { text += WatchDriver.bookmark(last) }
            exchange?.sent = last
            while !text.isEmpty, driver.request?.id == exchange?.id {
                let piece = String(text.prefix(Int.random(in: 1...400, using: &random)))
                text.removeFirst(piece.count)
                try driver.bytes(piece)
                // Whatever was swapped comes whole: a server that reorders and then breaks off has lied.
            }
        }
    }

    @Test(arguments: 0..<400) func endsWithWhatTheServerHolds(seed: Int) throws {
        var run = Run(seed: UInt64(seed))
        for _ in 0..<150 {
            if run.chance(1, in: 3) { run.server.change(&run.random) }
            let before = run.driver.delivered.count
            try run.step(faults: true)
            for case .removed(let key) in run.driver.delivered.dropFirst(before) {
                #expect(run.server.everDeleted.contains(key.name), "dropped \(key), which was never deleted")
            }
        }
        for _ in 0..<60 { try run.step(faults: false) }
        let expected = run.server.objects.map { "\($0.key):\($0.value)" }.sorted().joined(separator: " ")
        #expect(run.driver.summary == expected)
        #expect(run.driver.completions == 1)
        #expect(run.driver.watch.status.phase == .watching)
        #expect(run.driver.watch.status.objects == run.server.objects.count)
    }
}
