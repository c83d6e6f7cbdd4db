// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesWatch
import Testing

/// Carries out what a ``ResourceWatch`` wants, by hand: keeps the request under way and the timer, and what was
/// delivered.
struct WatchDriver {
    var watch: ResourceWatch
    var request: (id: RequestID, request: WatchRequest)?
    var timer: (id: TimerID, after: Duration)?
    /// All requests so far.
    var sent: [WatchRequest] = []
    var canceled = 0
    var objects: [ObjectKey: KubernetesObject] = [:]
    var delivered: [ObjectEvent] = []
    var completions = 0
    var credentialsRefused = 0
    var failures: [WatchFailure] = []

    init(_ kind: ObjectKind = .namespace, settings: WatchSettings = WatchSettings(), seed: UInt64 = 1) {
        watch = ResourceWatch(APIResource(kind), settings: settings, seed: seed)
        put(.begin)
    }

    mutating func put(_ input: WatchInput) {
        for action in watch.handle(input) {
            switch action {
            case .send(let id, let request):
                #expect(self.request == nil, "two requests at once")
                self.request = (id, request)
                sent.append(request)
            case .cancel(let id):
                #expect(request?.id == id)
                request = nil
                canceled += 1
            case .setTimer(let id, let after): timer = (id, after)
            case .deliver(let events):
                #expect(!events.isEmpty)
                delivered += events
                for event in events {
                    switch event {
                    case .set(let object): objects[object.key] = object
                    case .removed(let key): objects[key] = nil
                    }
                }
            case .complete: completions += 1
            case .credentialsRefused: credentialsRefused += 1
            case .failure(let failure): failures.append(failure)
            }
        }
    }

    var isWatching: Bool { request?.request.target.contains("watch=1") ?? false }

    mutating func fire() throws { put(.timer(try #require(timer).id)) }

    mutating func head(_ status: Int = 200, type: String = "application/json", retryAfter: Int? = nil) throws {
        let id = try #require(request).id
        put(.head(id, ResponseHead(status: status, contentType: type, retryAfter: retryAfter)))
    }

    mutating func bytes(_ text: String) throws { try bytes(Array(text.utf8)) }
    mutating func bytes(_ bytes: [UInt8]) throws { put(.bytes(try #require(request).id, bytes)) }

    mutating func end() throws {
        let id = try #require(request).id
        request = nil
        put(.end(id))
    }

    mutating func breakConnection() throws {
        let id = try #require(request).id
        request = nil
        put(.failed(id, "reset"))
    }

    mutating func answer(_ status: Int = 200, _ body: String, retryAfter: Int? = nil) throws {
        try head(status, retryAfter: retryAfter)
        try bytes(body)
        try end()
    }

    /// A list of namespaces, each a name and a version.
    mutating func list(_ items: [(String, Int)], at version: Int, continuing token: String = "") throws {
        try answer(WatchDriver.list(items.map { Self.namespace($0.0, $0.1) }, at: version, continuing: token))
    }

    private mutating func answer(_ body: String) throws { try answer(200, body) }

    static func list(_ items: [String], at version: Int, continuing token: String = "") -> String {
        let metadata = #"{"resourceVersion":"\#(version)","continue":"\#(token)"}"#
        return #"{"kind":"List","metadata":\#(metadata),"items":[\#(items.joined(separator: ","))]}"#
    }

    static func namespace(_ name: String, _ version: Int) -> String {
        #"{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)","labels":{"v":"\#(version)"}}}"#
    }

    static func event(_ type: String, _ name: String, _ version: Int) -> String {
        #"{"type":"\#(type)","object":\#(namespace(name, version))}"# + "\n"
    }

    static func bookmark(_ version: Int) -> String {
        #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"\#(version)"}}}"# + "\n"
    }

    static func status(_ code: Int, _ reason: String) -> String {
        #"{"kind":"Status","code":\#(code),"reason":"\#(reason)","message":"said so"}"#
    }

    static func error(_ code: Int, _ reason: String) -> String {
        #"{"type":"ERROR","object":\#(status(code, reason))}"# + "\n"
    }

    /// Name and version of what is known, `a:1 b:2`.
    var summary: String {
        objects.values.map { "\($0.metadata.name):\($0.metadata.labels["v"] ?? "")" }.sorted().joined(separator: " ")
    }
}
