// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import KubernetesObjects
import Logging

/// Reports on objects by Kubernetes Events: each report once, and again every hour while it holds; few at a time. If
/// Events may not be created, nothing else fails.
public actor EventRecorder {
    private let connection: APIServerConnection
    private let node: String
    private let logger: Logger
    /// When each report was sent.
    private var told: [ObjectReport: ContinuousClock.Instant] = [:]
    private var isRefusalLogged = false

    /// Events sent in one call of ``record(_:)``; all others wait for the next call.
    public static let limit = 10
    /// As long as servers keep Events.
    static let interval: Duration = .seconds(3600)

    /// - Parameter node: the name of this daemon among the reporters.
    public init(_ connection: APIServerConnection, node: String, logger: Logger) {
        self.connection = connection
        self.node = node
        self.logger = logger
    }

    /// - Parameter reports: all reports that hold now.
    public func record(_ reports: [ObjectReport]) async {
        let current = Set(reports)
        told = told.filter { current.contains($0.key) && ContinuousClock.now - $0.value < Self.interval }
        var left = Self.limit
        for report in reports where told[report] == nil {
            guard left > 0, !Task.isCancelled else { return }
            left -= 1
            guard await send(report) else { return }
        }
    }

    /// Returns whether to continue.
    private func send(_ report: ObjectReport) async -> Bool {
        do {
            let response = try await connection.send(
                APIServerConnection.Request(
                    method: .POST, target: "/api/v1/namespaces/\(report.namespace)/events", body: try body(report)))
            // The body is read to its end, so that the connection can be reused.
            _ = try? await response.body.collect(upTo: 1 << 20)
            switch response.status.code {
            // 409: another node has reported it.
            case 200...299, 409: told[report] = .now
            case 401, 403:
                if !isRefusalLogged {
                    isRefusalLogged = true
                    logger.warning("Events may not be created", metadata: ["status": "\(response.status.code)"])
                }
                return false
            case 429, 500...: return false
            // It would be refused again.
            default:
                told[report] = .now
                logger.warning(
                    "an Event was refused",
                    metadata: ["object": "\(report.object)", "status": "\(response.status.code)"])
            }
            return true
        } catch {
            // The watches report that the server is away.
            return false
        }
    }

    private func body(_ report: ObjectReport) throws -> [UInt8] {
        // In the format of metav1.Time, without fractions of seconds.
        let now = Date.now.formatted(.iso8601)
        let isOfThisNode = report.object.kind == .pod || report.object.kind == .node
        let event = Event(
            metadata: .init(name: report.name, namespace: report.namespace),
            involvedObject: .init(
                kind: report.object.kind.rawValue, apiVersion: report.object.kind.apiVersion,
                namespace: report.object.namespace.isEmpty ? nil : report.object.namespace, name: report.object.name,
                uid: report.uid.isEmpty ? nil : report.uid), reason: report.reason,
            message: String(report.message.prefix(1000)), source: .init(host: isOfThisNode ? node : nil),
            firstTimestamp: now, lastTimestamp: now, reportingInstance: node)
        return Array(try JSONEncoder().encode(event))
    }

    /// core/v1 Event.
    private struct Event: Encodable {
        struct Metadata: Encodable {
            var name: String
            var namespace: String
        }
        struct Reference: Encodable {
            var kind: String
            var apiVersion: String
            var namespace: String?
            var name: String
            var uid: String?
        }
        struct Source: Encodable {
            var component = "bulkhead"
            var host: String?
        }
        var apiVersion = "v1"
        var kind = "Event"
        var metadata: Metadata
        var involvedObject: Reference
        var type = "Warning"
        var reason: String
        var message: String
        var source: Source
        var count = 1
        var firstTimestamp: String
        var lastTimestamp: String
        var reportingComponent = "bulkhead"
        var reportingInstance: String
    }
}
