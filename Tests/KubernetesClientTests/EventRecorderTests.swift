// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import KubernetesClient
import KubernetesObjects
import Logging
import Testing

/// What is reported by Kubernetes Events, and how often.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct EventRecorderTests {
    private static func report(_ number: Int, _ message: String = "is not enforced") -> ObjectReport {
        ObjectReport(
            object: ObjectKey(kind: .networkPolicy, namespace: "shop", name: "p\(number)"), uid: "u\(number)",
            reason: "Refused", message: message)
    }

    private func with(_ body: (APIServer, (String) -> EventRecorder) async throws -> Void) async throws {
        let server = try APIServer()
        let access = try Kubeconfig.read(Array(server.kubeconfig().utf8), file: "config")
        let connection = APIServerConnection(access, userAgent: "test")
        try await body(server) { node in
            EventRecorder(connection, node: node, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
        await connection.shutdown()
    }

    @Test func eachReportIsToldOnce() async throws {
        try await with { server, recorder in
            let one = recorder("one")
            await one.record([Self.report(1), Self.report(2)])
            await one.record([Self.report(1), Self.report(2)])
            #expect(server.events.count == 2 && server.requests.count == 2)
            let event = try #require(server.events.first)
            #expect(event["kind"]?.string == "Event" && event["metadata"]?["namespace"]?.string == "shop")
            #expect(event["involvedObject"]?["name"]?.string == "p1")
            #expect(event["involvedObject"]?["uid"]?.string == "u1")
            #expect(event["involvedObject"]?["apiVersion"]?.string == "networking.k8s.io/v1")
            #expect(event["reason"]?.string == "Refused" && event["type"]?.string == "Warning")
            #expect(event["lastTimestamp"]?.string?.hasSuffix("Z") == true)
            // Another node reports the same: one of the two Events exists. A different report is a new Event.
            await recorder("two").record([Self.report(1)])
            #expect(server.events.count == 2 && server.requests.count == 3)
            await one.record([Self.report(1, "for another reason")])
            #expect(server.events.count == 3)
            // What has ceased and comes again is news.
            await one.record([])
            await one.record([Self.report(2)])
            #expect(server.requests.count == 5)
        }
    }

    @Test func fewAreToldAtATime() async throws {
        try await with { server, recorder in
            let one = recorder("one")
            let reports = (0..<25).map { Self.report($0) }
            await one.record(reports)
            #expect(server.events.count == EventRecorder.limit)
            await one.record(reports)
            await one.record(reports)
            #expect(server.events.count == 25)
        }
    }

    @Test func aRefusalIsNoFailure() async throws {
        try await with { server, recorder in
            server.forbid(["create events"])
            let one = recorder("one")
            await one.record((0..<5).map { Self.report($0) })
            #expect(server.events.isEmpty && server.requests.count == 1)
            server.forbid([])
            server.inject(APIServerFault(.status(500, reason: "InternalError"), on: .create))
            await one.record([Self.report(1)])
            await one.record([Self.report(1)])
            #expect(server.events.count == 1)
        }
    }
}
