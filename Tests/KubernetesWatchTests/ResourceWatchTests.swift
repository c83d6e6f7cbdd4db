// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import KubernetesObjects
import KubernetesWatch
import Testing

/// What a watch does, row by row.
@Suite struct ResourceWatchTests {
    private func listed(_ items: [(String, Int)] = [("a", 1), ("b", 2)], at version: Int = 5) throws -> WatchDriver {
        var driver = WatchDriver()
        try driver.list(items, at: version)
        try driver.head()
        return driver
    }

    @Test func listsInPagesThenWatches() throws {
        var driver = WatchDriver()
        #expect(driver.sent.last?.target == "/api/v1/namespaces?limit=500")
        #expect(driver.sent.last?.accept == "application/vnd.kubernetes.protobuf, application/json")
        try driver.list([("a", 1)], at: 5, continuing: "x/y=")
        #expect(driver.sent.last?.target == "/api/v1/namespaces?limit=500&continue=x%2Fy%3D")
        #expect(driver.completions == 0 && driver.summary == "a:1")
        try driver.list([("b", 2)], at: 5)
        #expect(driver.completions == 1 && driver.summary == "a:1 b:2")
        let target = try #require(driver.sent.last?.target)
        #expect(
            target.hasPrefix("/api/v1/namespaces?watch=1&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds="))
        #expect(driver.watch.status.phase == .waiting)
        try driver.head()
        #expect((300...600).contains(try #require(Int(target.split(separator: "=").last ?? ""))))
        #expect(driver.watch.status.phase == .watching && driver.watch.status.objects == 2)
    }

    @Test func eventsComeInPiecesAndResumeAtTheLast() throws {
        var driver = try listed()
        let text = WatchDriver.event("ADDED", "c", 6) + WatchDriver.event("MODIFIED", "a", 7)
        for byte in text.utf8 { try driver.bytes(String(UnicodeScalar(byte))) }
        try driver.bytes(WatchDriver.event("DELETED", "b", 8) + "{\"type\":\"ADD")
        #expect(driver.summary == "a:7 c:6")
        try driver.breakConnection()
        #expect(driver.watch.status.phase == .waiting && driver.failures == [.connection("reset")])
        try driver.fire()
        #expect(driver.sent.last?.target.contains("resourceVersion=8&") == true)
        #expect(driver.summary == "a:7 c:6")
    }

    @Test func aBookmarkMovesOn() throws {
        var driver = try listed()
        try driver.bytes(WatchDriver.bookmark(20) + WatchDriver.bookmark(19))
        #expect(driver.watch.status.resourceVersion == "20" && driver.delivered.count == 2)
        try driver.end()
        #expect(driver.failures.isEmpty)
        try driver.fire()
        #expect(driver.sent.last?.target.contains("resourceVersion=20&") == true)
    }

    /// State stays until the new list is complete, which then gives the difference alone.
    @Test(arguments: ["event", "answer"]) func goneListsAgainWithoutDroppingAnything(how: String) throws {
        var driver = try listed()
        if how == "event" {
            try driver.bytes(WatchDriver.error(410, "Expired"))
        } else {
            try driver.breakConnection()
            try driver.fire()
            try driver.answer(410, WatchDriver.status(410, "Expired"))
        }
        try driver.fire()
        #expect(driver.sent.last?.target == "/api/v1/namespaces?limit=500")
        let before = driver.delivered.count
        try driver.list([("a", 1), ("c", 9)], at: 10, continuing: "t")
        #expect(driver.delivered.count == before && driver.summary == "a:1 b:2")
        try driver.breakConnection()
        try driver.fire()
        #expect(driver.sent.last?.target.hasSuffix("continue=t") == true)
        try driver.list([("d", 3)], at: 10)
        #expect(driver.summary == "a:1 c:9 d:3" && driver.completions == 1)
        #expect(driver.delivered.count == before + 3)
        #expect(driver.isWatching)
    }

    @Test func anExpiredPageBeginsAnew() throws {
        var driver = WatchDriver()
        try driver.list([("a", 1), ("b", 2)], at: 5, continuing: "t")
        try driver.answer(410, WatchDriver.status(410, "Expired"))
        // A list that expires again and again is requested less and less often, though pages arrive in between.
        for _ in 0..<8 {
            try driver.fire()
            #expect(driver.sent.last?.target == "/api/v1/namespaces?limit=500")
            try driver.list([("b", 2)], at: 6, continuing: "u")
            try driver.answer(410, WatchDriver.status(410, "Expired"))
        }
        #expect(try #require(driver.timer).after >= .seconds(15))
        try driver.fire()
        try driver.list([("b", 2), ("c", 7)], at: 9)
        #expect(driver.summary == "b:2 c:7" && driver.completions == 1)
    }

    @Test func waitsAsLongAsAskedAndLongerEachTime() throws {
        var driver = try listed()
        try driver.breakConnection()
        try driver.fire()
        try driver.answer(429, WatchDriver.status(429, "TooManyRequests"), retryAfter: 7)
        let asked = try #require(driver.timer?.after)
        #expect((.seconds(7) ... .seconds(9)).contains(asked))
        var waits: [Duration] = []
        for _ in 0..<12 {
            try driver.fire()
            try driver.breakConnection()
            waits.append(try #require(driver.timer?.after))
        }
        #expect(waits[0] < .seconds(3) && waits.allSatisfy { $0 >= .milliseconds(250) && $0 <= .seconds(30) })
        #expect(waits.suffix(3).allSatisfy { $0 >= .seconds(15) })
        #expect(driver.watch.status.failures == 14)
        // Away for however long, the watch goes on where it was.
        try driver.fire()
        #expect(driver.sent.last?.target.contains("resourceVersion=5&") == true)
        try driver.head()
        try driver.bytes(WatchDriver.bookmark(6))
        #expect(driver.watch.status.failures == 0)
    }

    @Test func jitterDiffersBySeed() throws {
        var waits: Set<Duration> = []
        for seed in 1...20 {
            var driver = WatchDriver(seed: UInt64(seed))
            try driver.breakConnection()
            waits.insert(try #require(driver.timer?.after))
        }
        #expect(waits.count > 15)
    }

    @Test func aWatchThatEndsAtOnceIsAFailure() throws {
        var driver = try listed()
        try driver.end()
        #expect(driver.failures == [.earlyEnd])
        for _ in 0..<8 {
            try driver.fire()
            try driver.head()
            try driver.end()
        }
        #expect(try #require(driver.timer).after >= .seconds(15))
    }

    @Test func repeatedAndLateEventsChangeNothing() throws {
        var driver = try listed()
        try driver.bytes(WatchDriver.event("MODIFIED", "a", 9))
        let before = driver.delivered.count
        for event in [("MODIFIED", "a", 9), ("ADDED", "a", 1), ("DELETED", "a", 3), ("ADDED", "b", 2)] {
            try driver.bytes(WatchDriver.event(event.0, event.1, event.2))
        }
        #expect(driver.delivered.count == before && driver.summary == "a:9 b:2")
        // Late, but newer than what is known of it.
        try driver.bytes(WatchDriver.event("MODIFIED", "b", 8))
        #expect(driver.summary == "a:9 b:8" && driver.watch.status.resourceVersion == "9")
        try driver.bytes(WatchDriver.event("DELETED", "b", 12))
        #expect(driver.failures.isEmpty)
        // Whether this was before or after its deletion is unknown.
        try driver.bytes(WatchDriver.event("MODIFIED", "b", 10))
        #expect(driver.summary == "a:9" && driver.failures == [.disorder])
        try driver.fire()
        #expect(!driver.isWatching)
    }

    @Test func whatCannotBeReadIsAskedForAgainThenListed() throws {
        var driver = try listed()
        for attempt in 0..<5 {
            #expect(driver.isWatching, "\(attempt)")
            try driver.bytes(WatchDriver.event("ADDED", "c\(attempt)", 6 + attempt).dropLast(9) + "\n")
            try driver.fire()
            if driver.isWatching { try driver.head() }
        }
        #expect(!driver.isWatching && driver.failures.count == 5)
        try driver.list([("a", 1), ("b", 2), ("c", 9)], at: 30)
        #expect(driver.summary == "a:1 b:2 c:9")
    }

    @Test func piecesAreBounded() throws {
        var settings = WatchSettings()
        settings.frameLimit = 1000
        settings.bodyLimit = 2000
        var driver = WatchDriver(settings: settings)
        try driver.head()
        try driver.bytes(String(repeating: " ", count: 1500))
        try driver.bytes(String(repeating: " ", count: 1500))
        #expect(driver.failures == [.tooLarge(limit: 2000)])
        try driver.fire()
        try driver.list([("a", 1)], at: 5)
        try driver.head()
        try driver.bytes(String(repeating: "x", count: 999))
        #expect(driver.failures.count == 1)
        try driver.bytes("xx")
        #expect(driver.failures.last == .tooLarge(limit: 1000))
        #expect(driver.summary == "a:1")
    }

    @Test func aRefusedTokenIsTold() throws {
        var driver = WatchDriver()
        try driver.answer(401, WatchDriver.status(401, "Unauthorized"))
        #expect(driver.credentialsRefused == 1 && driver.completions == 0)
        try driver.fire()
        try driver.answer(403, WatchDriver.status(403, "Forbidden"))
        #expect(driver.watch.status.lastFailure?.description == "the server answered 403 Forbidden: said so")
        #expect(driver.completions == 0)
    }

    @Test func anotherContentTypeIsRefused() throws {
        var driver = WatchDriver()
        try driver.head(200, type: "text/html")
        #expect(driver.failures == [.malformed("its content type is 'text/html'")])
    }

    @Test func inputsOfOldRequestsMeanNothing() throws {
        var driver = WatchDriver()
        let old = try #require(driver.request).id
        let timer = try #require(driver.timer).id
        try driver.breakConnection()
        driver.put(.head(old, ResponseHead(status: 200, contentType: "application/json")))
        driver.put(.bytes(old, Array(WatchDriver.list([WatchDriver.namespace("a", 1)], at: 3).utf8)))
        driver.put(.end(old))
        driver.put(.timer(timer))
        driver.put(.begin)
        #expect(driver.sent.count == 1 && driver.delivered.isEmpty && driver.completions == 0)
    }

    /// The same in protobuf: a list, events in pieces, a bookmark, and the end.
    @Test func protobufIsReadAsJSONIs() throws {
        func node(_ text: String) throws -> DocumentNode { try JSONReader.read(Array(text.utf8)) }
        func namespace(_ name: String, _ version: Int) throws -> DocumentNode {
            try node(
                #"{"apiVersion":"v1","kind":"Namespace","#
                    + WatchDriver.namespace(name, version).dropFirst())
        }
        let list = try ProtobufWriter.list(
            of: .namespace, [try namespace("a", 1), try namespace("b", 2)],
            metadata: try node(#"{"resourceVersion":"5"}"#))
        var driver = WatchDriver()
        try driver.head(type: "application/vnd.kubernetes.protobuf")
        try driver.bytes(list)
        try driver.end()
        #expect(driver.summary == "a:1 b:2" && driver.completions == 1)
        try driver.head(type: "application/vnd.kubernetes.protobuf;stream=watch")
        var stream = try ProtobufWriter.watchFrame(type: "MODIFIED", object: try namespace("a", 6))
        stream += try ProtobufWriter.watchFrame(type: "DELETED", object: try namespace("b", 7))
        stream += try ProtobufWriter.watchFrame(
            type: "BOOKMARK",
            object: try node(#"{"apiVersion":"v1","kind":"Namespace","metadata":{"resourceVersion":"9"}}"#))
        for byte in stream { try driver.bytes([byte]) }
        #expect(driver.summary == "a:6" && driver.watch.status.resourceVersion == "9" && driver.failures.isEmpty)
        try driver.bytes(
            try ProtobufWriter.watchFrame(
                type: "ERROR",
                object: try node(#"{"apiVersion":"v1","kind":"Status","code":410,"reason":"Expired","message":"m"}"#)))
        #expect(driver.failures == [.answer(status: 410, reason: "Expired", message: "m")])
        try driver.fire()
        #expect(!driver.isWatching && driver.summary == "a:6")
        // A frame that says it is too long, and a list that is cut.
        try driver.head(type: "application/vnd.kubernetes.protobuf")
        try driver.bytes(Array(list.dropLast(3)))
        try driver.end()
        #expect(driver.failures.count == 2 && driver.summary == "a:6")
        try driver.fire()
        try driver.head(type: "application/vnd.kubernetes.protobuf")
        try driver.bytes(list)
        try driver.end()
        try driver.head(type: "application/vnd.kubernetes.protobuf;stream=watch")
        try driver.bytes([0x7f, 0xff, 0xff, 0xff, 0])
        #expect(driver.failures.last == .tooLarge(limit: WatchSettings().frameLimit))
    }
}
