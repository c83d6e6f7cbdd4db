// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// Follows one resource of the API as a value without I/O or clock: it lists the resource in pages, watches it from
/// there, and starts over if it must. It receives events and returns actions.
///
/// The objects that it delivers, applied in order, are the server's state. The first list is delivered as it arrives
/// and ends with ``WatchAction/complete``; a later one delivers only the differences, once it is complete, so that no
/// valid object is dropped meanwhile.
public struct ResourceWatch: Sendable {
    /// In the version that the server was last asked for.
    public internal(set) var resource: APIResource
    let settings: WatchSettings
    var state = State.idle
    var known: KnownObjects
    var delay: RetryDelay
    var streaks = Streaks()
    var isComplete = false
    /// Whether the last watch was silent: the next one is short.
    var isQuiet = false
    var lastFailure: WatchFailure?
    var refused: [ObjectKey: String] = [:]
    var signs: UInt64 = 0
    /// Versions of what was delivered since the last ``takeVersions()``. Of the first list only those of policies:
    /// nothing asks for the others, which are many.
    var versions: [ObjectKey: ObjectVersion] = [:]
    /// Number of the last request or timer.
    private var serial: UInt64 = 0
    /// Number of the last list.
    var round: UInt32 = 0
    var actions: [WatchAction] = []

    static let refusedLimit = 100
    /// Bytes kept of a failed answer.
    static let errorBodyLimit = 64 << 10

    /// - Parameter seed: for the random numbers that spread waits.
    public init(_ resource: APIResource, settings: WatchSettings = WatchSettings(), seed: UInt64) {
        self.resource = resource
        self.settings = settings
        known = KnownObjects(kind: resource.kind)
        delay = RetryDelay(seed: seed)
    }

    public var status: WatchStatus {
        let phase = state.phase
        return WatchStatus(
            phase: phase, isComplete: isComplete, objects: known.count, failures: delay.failures,
            lastFailure: delay.failures > 0 && phase != .watching ? lastFailure : nil,
            resourceVersion: state.next.version, refused: refused, signs: signs)
    }

    /// Handles an event. Events about requests or timers that are no longer wanted change nothing.
    public mutating func handle(_ input: WatchInput) -> [WatchAction] {
        switch input {
        case .begin:
            if case .idle = state { list(isAbsent: false) }
        case .head(let id, let head):
            if id == state.exchange?.request { take(head) }
        case .bytes(let id, let bytes):
            if id == state.exchange?.request, !bytes.isEmpty { take(bytes) }
        case .end(let id):
            if id == state.exchange?.request { ended() }
        case .failed(let id, let reason):
            if id == state.exchange?.request { failed(.connection(reason)) }
        case .timer(let id):
            fired(id)
        }
        defer { actions = [] }
        return actions
    }

    /// The versions of objects that were delivered since the last call.
    public mutating func takeVersions() -> [ObjectKey: ObjectVersion] {
        defer { versions = [:] }
        return versions
    }

    mutating func keepVersion(of received: ReceivedObject) {
        guard isComplete || received.key.kind.isPolicy, !received.version.isEmpty else { return }
        versions[received.key] = ObjectVersion(
            resourceVersion: received.version, generation: received.generation)
    }

    // MARK: Asking

    /// Reads the list from its beginning.
    mutating func list(isAbsent: Bool) {
        round &+= 1
        askForPage(Listing(isAbsent: isAbsent))
    }

    mutating func askForPage(_ listing: Listing) {
        var query = "limit=\(settings.pageSize)"
        if !listing.continueToken.isEmpty { query += "&continue=\(listing.continueToken.queryEncoded)" }
        state = .listing(listing, send("\(resource.path)?\(query)"))
    }

    mutating func watch(from version: String) {
        let seconds = delay.number(in: isQuiet ? settings.quietSeconds : settings.watchSeconds)
        let exchange = send(
            "\(resource.path)?watch=1&allowWatchBookmarks=true&resourceVersion=\(version.queryEncoded)"
                + "&timeoutSeconds=\(seconds)")
        let frames = EventFrames(.json, limit: settings.frameLimit)
        state = .watching(Watch(version: version, seconds: seconds, frames: frames), exchange)
    }

    private mutating func send(_ target: String) -> Exchange {
        serial += 1
        let id = RequestID(number: serial)
        actions.append(.send(id, WatchRequest(target: target, accept: WireFormat.accept(resource))))
        return Exchange(request: id, silenceTimer: timer(settings.answerSilence))
    }

    private mutating func timer(_ duration: Duration) -> TimerID {
        serial += 1
        let id = TimerID(number: serial)
        actions.append(.setTimer(id, duration))
        return id
    }

    /// Requests again after a while.
    mutating func wait(_ duration: Duration, then next: Next) { state = .waiting(timer(duration), next) }

    /// The answer under way is no longer wanted; another state follows.
    mutating func drop() {
        if let exchange = state.exchange { actions.append(.cancel(exchange.request)) }
    }

    // MARK: Timers

    private mutating func fired(_ id: TimerID) {
        switch state {
        case .waiting(id, let next):
            switch next {
            case .page(let listing): askForPage(listing)
            case .watch(let version) where !version.isEmpty: watch(from: version)
            case .list, .watch: list(isAbsent: next.isAbsent)
            }
        case .listing(let listing, var exchange) where exchange.silenceTimer == id:
            guard exchange.isHeard else { return fail(.silence) }
            setSilenceTimer(&exchange, settings.answerSilence)
            state = .listing(listing, exchange)
        case .watching(let watch, var exchange) where exchange.silenceTimer == id:
            guard exchange.isHeard else { return heardNothing(watch, exchange) }
            exchange.silences = 0
            // A watch that lives this long has not failed, even if it has received only the answer's head.
            if !exchange.isFailure { recovered(&exchange) }
            setSilenceTimer(&exchange, settings.watchSilence)
            state = .watching(watch, exchange)
        case .idle, .waiting, .listing, .watching: break
        }
    }

    private mutating func setSilenceTimer(_ exchange: inout Exchange, _ duration: Duration) {
        exchange.isHeard = false
        exchange.silenceTimer = timer(duration)
    }

    private mutating func heardNothing(_ watch: Watch, _ exchange: Exchange) {
        guard exchange.head?.status == 200 else { return fail(.silence) }
        guard isQuiet else {
            // Nothing is wrong so far; a new request shows whether the server is there.
            isQuiet = true
            drop()
            return self.watch(from: watch.version)
        }
        var exchange = exchange
        exchange.silences += 1
        let limit = .seconds(Int64(watch.seconds)) + settings.answerSilence
        guard settings.watchSilence * exchange.silences <= limit else { return fail(.silence) }
        setSilenceTimer(&exchange, settings.watchSilence)
        state = .watching(watch, exchange)
    }

    mutating func recovered(_ exchange: inout Exchange) {
        exchange.isProven = true
        delay.succeeded()
        streaks.failed = 0
    }

    // MARK: Hearing

    private mutating func take(_ head: ResponseHead) {
        let format = WireFormat(contentType: head.contentType)
        func heard(_ exchange: Exchange) -> Exchange {
            var exchange = exchange
            exchange.isHeard = true
            exchange.head = head
            exchange.format = format ?? .json
            return exchange
        }
        let isUnknown = head.status == 200 && format == nil
        switch state {
        case .listing(let listing, let exchange): state = .listing(listing, heard(exchange))
        case .watching(var watch, let exchange):
            if head.status == 200, let format {
                watch.frames = EventFrames(format, limit: settings.frameLimit)
                signs += 1
            }
            state = .watching(watch, heard(exchange))
        case .idle, .waiting: break
        }
        if isUnknown { fail(.malformed("its content type is '\(String(head.contentType.prefix(80)))'")) }
    }

    private mutating func take(_ bytes: [UInt8]) {
        switch state {
        case .listing(let listing, var exchange) where exchange.head != nil:
            exchange.isHeard = true
            if !exchange.isFailure, exchange.body.count + bytes.count > settings.bodyLimit {
                return fail(.tooLarge(limit: settings.bodyLimit))
            }
            // A second reference to the body would cause a copy.
            state = .idle
            if exchange.body.isEmpty, !exchange.isFailure {
                exchange.body.reserveCapacity(listing.pageBytes + listing.pageBytes / 8)
            }
            append(bytes, to: &exchange)
            state = .listing(listing, exchange)
        case .watching(let watch, var exchange) where exchange.head != nil:
            exchange.isHeard = true
            if exchange.isFailure { append(bytes, to: &exchange) }
            state = .watching(watch, exchange)
            if !exchange.isFailure { takeEvents(bytes) }
        case .idle, .waiting, .listing, .watching: break
        }
    }

    private func append(_ bytes: [UInt8], to exchange: inout Exchange) {
        let room = exchange.isFailure ? Self.errorBodyLimit - exchange.body.count : bytes.count
        exchange.body += bytes.prefix(room)
    }

    private mutating func ended() {
        guard let exchange = state.exchange else { return }
        guard let head = exchange.head else {
            return failed(.connection("the connection was closed without an answer"))
        }
        if exchange.isFailure {
            let status = exchange.format.status(exchange.body)
            return refuse(
                ReceivedStatus(
                    code: head.status, reason: status?.reason ?? "", message: status?.message ?? "",
                    retryAfter: head.retryAfter ?? status?.retryAfter))
        }
        if case .listing = state { return takePage() }
        // The beginning of an event comes again.
        guard exchange.isProven else { return failed(.earlyEnd) }
        wait(delay.jittered(settings.firstDelay / 5), then: state.next)
    }
}

extension String {
    /// As a value in a query: everything except letters, digits and `-._~` is escaped.
    var queryEncoded: String { PercentEncoding.encode(self, keeping: "-._~") }
}
