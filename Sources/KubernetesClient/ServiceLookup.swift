// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes

/// A Service, and where its packets go.
public struct FoundService: Sendable, Hashable {
    public var service: Service
    public var slices: [EndpointSlice]
    public init(service: Service, slices: [EndpointSlice]) {
        self.service = service
        self.slices = slices
    }
}

/// Why it is not known whether there is a Service, or where its packets go.
public enum ServiceLookupError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The right to list this resource is missing.
    case forbidden(resource: String)
    case refused(status: Int)
    /// The server cannot be asked, or does not answer in time.
    case unreachable(String)
    case unreadable(String)

    public var description: String {
        switch self {
        case .forbidden(let resource):
            "bulkheadd may not list \(resource): add the component `services` of deploy/, which gives it the right"
        case .refused(let status): "the API server answered \(status)"
        case .unreachable(let reason): "the API server cannot be asked: \(reason)"
        case .unreadable(let reason): "the API server's answer cannot be read: \(reason)"
        }
    }
}

/// Finds Services when a question names one.
public protocol ServiceSource: Sendable {
    /// Nil: there is no such Service.
    func service(namespace: String, name: String) async throws(ServiceLookupError) -> FoundService?
    /// The Service with a cluster IP; nil: none has it.
    func service(at address: IPAddress) async throws(ServiceLookupError) -> FoundService?
}

/// Asks the API server at the moment of the question. Policy needs no Services, so that nothing of them is watched or
/// kept: EndpointSlices change more often than anything else in a cluster, and questions are rare.
public struct ServiceLookup: ServiceSource {
    /// What the server answers.
    package struct Answer: Sendable {
        package var status: Int
        package var body: [UInt8]
        package init(status: Int, body: [UInt8]) {
            self.status = status
            self.body = body
        }
    }
    private let fetch: @Sendable (String) async throws -> Answer

    /// Bytes of an answer.
    private static let bodyLimit = 8 << 20
    /// A person waits for the answer.
    private static let patience: Duration = .seconds(2)

    public init(_ connection: APIServerConnection) {
        self.init { target in
            let response = try await connection.send(APIServerConnection.Request(target: target))
            if response.status == .unauthorized { await connection.credentialsRefused() }
            let body = try await response.body.collect(upTo: Self.bodyLimit)
            return Answer(status: Int(response.status.code), body: Array(body.readableBytesView))
        }
    }

    /// - Parameter fetch: returns the server's answer to a GET of a path with its query.
    package init(fetch: @escaping @Sendable (String) async throws -> Answer) { self.fetch = fetch }

    public func service(namespace: String, name: String) async throws(ServiceLookupError) -> FoundService? {
        let target =
            "/api/v1/namespaces/\(Self.encoded(namespace))/services?fieldSelector="
            + Self.encoded("metadata.name=\(name)")
        let found = try await items(target, of: "services").compactMap { Service($0) }
        return try await withSlices(found.first { $0.namespace == namespace && $0.name == name })
    }

    public func service(at address: IPAddress) async throws(ServiceLookupError) -> FoundService? {
        let target = "/api/v1/services?fieldSelector=" + Self.encoded("spec.clusterIP=\(address)")
        let found = try await items(target, of: "services").compactMap { Service($0) }
        return try await withSlices(found.first { $0.addresses.contains(address) })
    }

    private func withSlices(_ service: Service?) async throws(ServiceLookupError) -> FoundService? {
        guard let service else { return nil }
        let target =
            "/apis/discovery.k8s.io/v1/namespaces/\(Self.encoded(service.namespace))/endpointslices?limit=100&labelSelector="
            + Self.encoded("kubernetes.io/service-name=\(service.name)")
        let slices = try await items(target, of: "endpointslices").compactMap { EndpointSlice($0) }
        return FoundService(
            service: service,
            slices: slices.filter { $0.namespace == service.namespace && $0.service == service.name })
    }

    private static func encoded(_ text: String) -> String { PercentEncoding.encode(text, keeping: "-._~") }

    /// The objects of a list.
    private func items(_ target: String, of resource: String) async throws(ServiceLookupError) -> [DocumentNode] {
        let answer: Answer
        do {
            answer = try await inTime(target)
        } catch let error as ServiceLookupError {
            throw error
        } catch {
            throw .unreachable("\(error)")
        }
        switch answer.status {
        case 200: break
        case 401, 403: throw .forbidden(resource: resource)
        default: throw .refused(status: answer.status)
        }
        do {
            guard case .sequence(let items)? = try JSONReader.read(answer.body)["items"]?.value else { return [] }
            return items
        } catch {
            throw .unreadable("\(error)")
        }
    }

    private func inTime(_ target: String) async throws -> Answer {
        try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask { try await fetch(target) }
            group.addTask {
                try await Task.sleep(for: Self.patience)
                throw ServiceLookupError.unreachable("no answer within two seconds")
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }
}
