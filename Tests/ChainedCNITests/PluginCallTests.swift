// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Testing

@Suite struct PluginCallTests {
    private let daemon = ScriptedDaemon()

    private func failure(_ request: CNIRequest) -> CNIError? {
        do {
            _ = try daemon.run(request)
            return nil
        } catch {
            return error as? CNIError
        }
    }

    @Test func addPassesTheResultThrough() throws {
        daemon.answer(200, "{}")
        #expect(try daemon.run(Requests.read(.add)) == Requests.result)
        let call = try #require(daemon.calls.first)
        #expect(call.call.method == "PUT" && call.call.target == "/v1/attachments" && call.milliseconds == 11000)
        let body =
            #"{"container":"3f2a","ifname":"eth0","network":"net","namespace":"shop","pod":"web-0","uid":"u-1","#
            + #""addresses":["10.1.0.2","fd00::2"],"hostInterfaces":["veth1"],"deadlineMilliseconds":10000,"#
            + #""onDeadline":"deny"}"#
        #expect(call.call.body == body)
        #expect(String(decoding: call.call.bytes, as: UTF8.self).hasPrefix("PUT /v1/attachments HTTP/1.1\r\nhost: "))
    }

    /// The plugin waits for a daemon that restarts, and gives the next one the rest of the deadline.
    @Test func addWaitsForTheDaemon() throws {
        daemon.leave()
        daemon.answer(503, #"{"error":{"code":"stopping","message":"the daemon is stopping"}}"#)
        daemon.answer(200, "{}")
        #expect(try daemon.run(Requests.read(.add)) == Requests.result)
        #expect(daemon.calls.count == 3 && daemon.calls[2].milliseconds == 11000 - 42)
        #expect(daemon.calls[2].call.body?.contains(#""deadlineMilliseconds":9958"#) == true)
    }

    @Test func addFailsAtTheDeadline() throws {
        daemon.leave()
        let error = try #require(failure(Requests.read(.add, Requests.configuration(#","deadlineMilliseconds":200"#))))
        #expect(error.code == .tryAgainLater && error.details == "nobody there")
        #expect(daemon.now >= 200 && daemon.now < 230)
    }

    @Test func addAllowsAtTheDeadlineWhereThatIsSet() throws {
        daemon.leave()
        let request = try Requests.read(
            .add, Requests.configuration(#","deadlineMilliseconds":200,"onDeadline":"allow""#))
        #expect(try daemon.run(request) == Requests.result)
        #expect(daemon.warnings.count == 1 && daemon.now >= 200)
    }

    /// A refusal does not depend on time: it is not retried, and allow does not hide it.
    @Test func refusalsFail() throws {
        let rows: [(Int, String, CNIError.Code)] = [
            (422, #"{"error":{"code":"not_accepted","message":"no room","problems":[]}}"#, .refused),
            (
                400,
                #"{"error":{"code":"invalid_body","message":"m","problems":[{"field":"uid","reason":"is empty"}]}}"#,
                .refused
            ),
            (504, #"{"error":{"code":"deadline_exceeded","message":"its object is not known yet"}}"#, .tryAgainLater),
            (500, "oh", .malformedAnswer), (404, "{}", .malformedAnswer),
        ]
        for (status, body, code) in rows {
            let daemon = ScriptedDaemon()
            daemon.answer(status, body)
            let request = try Requests.read(.add, Requests.configuration(#","onDeadline":"allow""#))
            #expect(throws: CNIError.self) { _ = try daemon.run(request) }
            do { _ = try daemon.run(request) } catch { #expect((error as? CNIError)?.code == code) }
            #expect(daemon.calls.count == 2)
        }
    }

    @Test func deleteSucceedsWithoutADaemon() throws {
        daemon.leave()
        #expect(try daemon.run(Requests.read(.delete)) == "" && daemon.warnings.count == 1)
        #expect(daemon.calls[0].call.target == "/v1/attachments?container=3f2a&ifname=eth0")
        daemon.replies = []
        daemon.answer(200, #"{"removed":0}"#)
        #expect(try daemon.run(Requests.read(.delete)) == "")
        daemon.replies = []
        daemon.answer(500, #"{"error":{"code":"internal_error","message":"m"}}"#)
        #expect(failure(try Requests.read(.delete))?.code == .refused)
    }

    @Test func check() throws {
        func answer(_ list: String) {
            daemon.replies = []
            daemon.answer(200, "{\"attachments\":\(list)}")
        }
        let rows: [(String, CNIError.Code?)] = [
            (#"[{"state":"programmed","addresses":["fd00::2","10.1.0.2"]}]"#, nil), ("[]", .unknownContainer),
            (#"[{"state":"held","addresses":["fd00::2","10.1.0.2"]}]"#, .notProgrammed),
            (#"[{"state":"programmed","addresses":["10.1.0.2"]}]"#, .notProgrammed),
            (#"[{"addresses":[]}]"#, .malformedAnswer), ("1", .malformedAnswer),
        ]
        for (list, code) in rows {
            answer(list)
            #expect(failure(try Requests.read(.check))?.code == code, "\(list)")
        }
        daemon.replies = []
        daemon.leave()
        #expect(failure(try Requests.read(.check))?.code == .tryAgainLater)
    }

    @Test func status() throws {
        let request = try CNIRequest(.status, [:], Array(Requests.configuration(result: nil).utf8))
        let rows: [(String, CNIError.Code?)] = [
            (#"{"datapath":{"state":"programmed"}}"#, nil),
            (#"{"datapath":{"state":"retrying","error":"no memory"}}"#, .notAvailableLimited),
            ("{}", .malformedAnswer),
        ]
        for (body, code) in rows {
            daemon.replies = []
            daemon.answer(200, body)
            #expect(failure(request)?.code == code)
        }
        daemon.replies = []
        daemon.leave()
        #expect(failure(request)?.code == .notAvailable)
    }

    /// A Node whose network is not ready has pods that are not ready, so the plugin waits for a restart.
    @Test func statusWaitsForTheDaemon() throws {
        let request = try CNIRequest(.status, [:], Array(Requests.configuration(result: nil).utf8))
        daemon.leave()
        daemon.leave()
        daemon.answer(503, #"{"error":{"code":"stopping","message":"the daemon is stopping"}}"#)
        daemon.answer(200, #"{"datapath":{"state":"retrying","error":"no memory"}}"#)
        daemon.answer(200, #"{"datapath":{"state":"programmed"}}"#)
        #expect(try daemon.run(request) == "" && daemon.calls.count == 5 && daemon.now == 405)
        // An answer may take all the time that is left, and no more.
        #expect(daemon.calls.map(\.milliseconds) == [10000, 9899, 9798, 9697, 9596])
    }

    /// The kubelet would hold the runtime for dead after 30 s, of which 5 s are its own.
    @Test func statusFailsInTime() throws {
        let request = try CNIRequest(.status, [:], Array(Requests.configuration(result: nil).utf8))
        let rows: [(String?, CNIError.Code, String)] = [
            (nil, .notAvailable, "nobody there"),
            (#"{"datapath":{"state":"retrying","error":"no memory"}}"#, .notAvailableLimited, "no memory"),
        ]
        for (body, code, details) in rows {
            let daemon = ScriptedDaemon()
            if let body { daemon.answer(200, body) } else { daemon.leave() }
            let error = #expect(throws: CNIError.self) { _ = try daemon.run(request) }
            #expect(error?.code == code && error?.details == details)
            #expect((10000...10200).contains(daemon.now))
        }
        // What is not the daemon does not become it.
        let other = ScriptedDaemon()
        other.answer(200, "{}")
        #expect(throws: CNIError.self) { _ = try other.run(request) }
        #expect(other.calls.count == 1)
    }

    @Test func collect() throws {
        let text = Requests.configuration(
            #","cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]"#, result: nil)
        daemon.answer(200, #"{"removed":3}"#)
        #expect(try daemon.run(CNIRequest(.collect, [:], Array(text.utf8))) == "")
        #expect(daemon.calls[0].call.body == #"{"network":"net","valid":[{"container":"a","ifname":"eth0"}]}"#)
    }
}
