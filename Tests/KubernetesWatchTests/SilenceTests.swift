// SPDX-License-Identifier: Apache-2.0
import KubernetesWatch
import Testing

/// A server that says nothing, because nothing happens or because it is gone.
struct SilenceTests {
    /// Watches from version 5; the head has come.
    private func watching() throws -> WatchDriver {
        var driver = WatchDriver()
        try driver.list([("a", 1)], at: 5)
        try driver.head()
        return driver
    }

    private func seconds(_ request: WatchRequest?) throws -> UInt64 {
        let target = try #require(request?.target)
        let parameter = try #require(target.split(separator: "&").first { $0.hasPrefix("timeoutSeconds=") })
        return try #require(UInt64(parameter.split(separator: "=")[1]))
    }

    @Test func aSilentWatchIsAskedAnewFromWhereItStoodAndThatIsNoFailure() throws {
        var driver = try watching()
        #expect(driver.timer?.after == .seconds(20))
        #expect((300...600).contains(try seconds(driver.sent.last)))
        // The head counts as a word.
        try driver.fire()
        #expect(driver.canceled == 0 && driver.timer?.after == .seconds(75))
        let signs = driver.watch.status.signs
        try driver.fire()
        #expect(driver.canceled == 1 && driver.failures.isEmpty && driver.isWatching)
        #expect(driver.sent.last?.target.contains("resourceVersion=5&") == true)
        #expect((90...120).contains(try seconds(driver.sent.last)), "a short one, which the server ends by itself")
        try driver.head()
        #expect(driver.watch.status.signs == signs + 1, "a new head shows that the server is there")
        #expect(driver.watch.status.failures == 0)
    }

    @Test func aQuietResourceCostsNoFurtherConnection() throws {
        var driver = try watching()
        try driver.fire()
        try driver.fire()
        for _ in 0..<20 {
            try driver.head()
            try driver.fire()
            try driver.fire()
            // The server ends the watch as it was asked to.
            try driver.end()
            try driver.fire()
            #expect(driver.isWatching)
            #expect((90...120).contains(try seconds(driver.sent.last)))
        }
        #expect(driver.canceled == 1 && driver.failures.isEmpty)
        #expect(driver.sent.filter { !$0.target.contains("watch=1") }.count == 1, "nothing is listed again")
    }

    @Test func wordsMakeTheNextWatchLongAgain() throws {
        var driver = try watching()
        try driver.fire()
        try driver.fire()
        try driver.head()
        for version in 6..<20 {
            try driver.bytes(WatchDriver.bookmark(version))
            try driver.fire()
        }
        #expect(driver.canceled == 1 && driver.failures.isEmpty)
        try driver.end()
        try driver.fire()
        #expect((300...600).contains(try seconds(driver.sent.last)))
    }

    @Test func aShortWatchThatDoesNotEndIsDead() throws {
        var driver = try watching()
        try driver.fire()
        try driver.fire()
        try driver.head()
        var waited = 20
        try driver.fire()
        while driver.failures.isEmpty, waited < 1000 {
            try driver.fire()
            waited += 75
        }
        #expect(driver.failures == [.silence] && waited <= 170)
        try driver.fire()
        #expect(driver.isWatching, "from where it stood")
    }

    @Test func aServerThatDoesNotAnswerIsDead() throws {
        var driver = WatchDriver()
        #expect(driver.timer?.after == .seconds(20))
        try driver.fire()
        #expect(driver.failures == [.silence] && driver.canceled == 1)
        driver = WatchDriver()
        try driver.list([("a", 1)], at: 5)
        try driver.fire()
        #expect(driver.failures == [.silence], "a watch whose answer does not begin")
        driver = WatchDriver()
        try driver.list([("a", 1)], at: 5)
        try driver.head(503)
        try driver.fire()
        try driver.fire()
        #expect(driver.failures == [.silence], "a refusal that does not end")
    }
}
