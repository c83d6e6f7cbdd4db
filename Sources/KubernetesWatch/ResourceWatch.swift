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
    public let resource: APIResource
    let settings: WatchSettings
    var known: KnownObjects
    var delay: RetryDelay
    /// The server's state up to which everything is known; empty if the list must be read.
    var version = ""
    var isComplete = false
    var isBegun = false
    var isAbsent = false
    /// Answers in a row that there is no such resource.
    var absentAnswers = 0
    /// Failed answers of watches from `version` in a row.
    var failedAnswers = 0
    /// Lists in a row that expired before their end.
    var expirations = 0
    var lastFailure: WatchFailure?
    var refused: [ObjectKey: String] = [:]
    var signs: UInt64 = 0

    /// The list that is being read; nil: watching.
    var listing: Listing?
    var frames: EventFrames
    var answer = Answer()
    /// The request under way; nil: waits.
    var request: RequestID?
    /// One of the two timers at most is set.
    var retryTimer: TimerID?
    var silenceTimer: TimerID?
    /// Whether anything came since the timer of silence was set.
    var isHeard = false
    /// Times in a row that it had not.
    var silences = 0
    /// Whether the last watch said nothing: the next one is short.
    var isQuiet = false
    /// Seconds after which the server was asked to end the watch.
    var watchSeconds: UInt64 = 0
    private var serial: UInt64 = 0
    var round: UInt32 = 0
    var actions: [WatchAction] = []

    static let refusedLimit = 100
    /// Bytes kept of an answer that is a failure.
    static let errorBodyLimit = 64 << 10

    /// A list that is read page after page.
    struct Listing: Sendable {
        var continueToken = ""
        /// What the list says that is not known yet; kept until all of it has come.
        var pending: [ReceivedObject] = []
        /// Of the last page.
        var pageBytes = 0
    }

    /// The answer to the request under way.
    struct Answer: Sendable {
        var head: ResponseHead?
        var format = WireFormat.json
        var body: [UInt8] = []
        /// Whether it has shown to be a watch that works.
        var isProven = false
        var isFailure: Bool { head.map { $0.status != 200 } ?? false }
    }

    /// - Parameter seed: of the random numbers that spread waits.
    public init(_ resource: APIResource, settings: WatchSettings = WatchSettings(), seed: UInt64) {
        self.resource = resource
        self.settings = settings
        known = KnownObjects(kind: resource.kind)
        delay = RetryDelay(seed: seed)
        frames = EventFrames(.json, limit: settings.frameLimit)
    }

    public var status: WatchStatus {
        let phase: WatchStatus.Phase =
            if !isBegun {
                .idle
            } else if isAbsent {
                .absent
            } else if request == nil {
                .waiting
            } else if listing != nil {
                .listing
            } else {
                answer.head?.status == 200 ? .watching : .waiting
            }
        return WatchStatus(
            phase: phase, isComplete: isComplete, objects: known.count, failures: delay.failures,
            lastFailure: delay.failures > 0 && phase != .watching ? lastFailure : nil, resourceVersion: version,
            refused: refused, signs: signs)
    }

    /// Handles an event. Events about requests or timers that are no longer wanted change nothing.
    public mutating func handle(_ input: WatchInput) -> [WatchAction] {
        switch input {
        case .begin:
            guard !isBegun else { break }
            isBegun = true
            list()
        case .head(let id, let head):
            if id == request { take(head) }
        case .bytes(let id, let bytes):
            if id == request { take(bytes) }
        case .end(let id):
            if id == request {
                request = nil
                ended()
            }
        case .failed(let id, let reason):
            if id == request {
                request = nil
                fail(.connection(reason))
            }
        case .timer(let id):
            fired(id)
        }
        defer { actions = [] }
        return actions
    }

    // MARK: Asking

    /// Reads the list from its beginning.
    mutating func list() {
        round &+= 1
        listing = Listing()
        version = ""
        askForPage()
    }

    mutating func askForPage() {
        var query = "limit=\(settings.pageSize)"
        if let token = listing?.continueToken, !token.isEmpty { query += "&continue=\(token.queryEncoded)" }
        send("\(resource.path)?\(query)")
    }

    mutating func watch() {
        listing = nil
        watchSeconds = delay.number(in: isQuiet ? settings.quietSeconds : settings.watchSeconds)
        send(
            "\(resource.path)?watch=1&allowWatchBookmarks=true&resourceVersion=\(version.queryEncoded)"
                + "&timeoutSeconds=\(watchSeconds)")
    }

    private mutating func send(_ target: String) {
        serial += 1
        let id = RequestID(number: serial)
        request = id
        answer = Answer()
        silences = 0
        retryTimer = nil
        actions.append(
            .send(id, WatchRequest(target: target, accept: WireFormat.accept(resource))))
        watchSilence()
    }

    private mutating func watchSilence() {
        isHeard = false
        let isWatching = listing == nil && answer.head != nil
        silenceTimer = timer(isWatching ? settings.watchSilence : settings.answerSilence)
    }

    private mutating func timer(_ duration: Duration) -> TimerID {
        serial += 1
        let id = TimerID(number: serial)
        actions.append(.setTimer(id, duration))
        return id
    }

    /// Asks again after a while.
    mutating func wait(_ duration: Duration) {
        retryTimer = timer(duration)
        silenceTimer = nil
    }

    /// Gives the request under way up.
    mutating func drop() {
        if let request { actions.append(.cancel(request)) }
        request = nil
        answer = Answer()
    }

    private mutating func fired(_ id: TimerID) {
        if id == retryTimer {
            if listing != nil {
                askForPage()
            } else if version.isEmpty {
                list()
            } else {
                watch()
            }
        } else if id == silenceTimer {
            if isHeard {
                silences = 0
                // A watch that lives this long has not failed, even if it has received only the answer's head.
                if listing == nil, !answer.isFailure { recovered() }
                watchSilence()
            } else {
                heardNothing()
            }
        }
    }

    private mutating func heardNothing() {
        guard listing == nil, answer.head?.status == 200 else { return fail(.silence) }
        guard isQuiet else {
            // Nothing is wrong so far; a new request shows whether the server is there.
            isQuiet = true
            drop()
            return watch()
        }
        silences += 1
        let isOverdue = settings.watchSilence * silences > .seconds(Int64(watchSeconds)) + settings.answerSilence
        if isOverdue { fail(.silence) } else { watchSilence() }
    }

    mutating func recovered() {
        answer.isProven = true
        delay.succeeded()
        failedAnswers = 0
    }

    // MARK: Hearing

    private mutating func take(_ head: ResponseHead) {
        isHeard = true
        answer.head = head
        let format = WireFormat(contentType: head.contentType)
        answer.format = format ?? .json
        guard head.status == 200 else { return }
        guard let format else {
            return fail(.malformed("its content type is '\(String(head.contentType.prefix(80)))'"))
        }
        guard listing == nil else { return }
        frames = EventFrames(format, limit: settings.frameLimit)
        signs += 1
    }

    private mutating func take(_ bytes: [UInt8]) {
        guard answer.head != nil, !bytes.isEmpty else { return }
        isHeard = true
        if answer.isFailure {
            answer.body += bytes.prefix(Self.errorBodyLimit - answer.body.count)
        } else if let listing {
            if answer.body.isEmpty { answer.body.reserveCapacity(listing.pageBytes + listing.pageBytes / 8) }
            guard answer.body.count + bytes.count <= settings.bodyLimit else {
                return fail(.tooLarge(limit: settings.bodyLimit))
            }
            answer.body += bytes
        } else {
            takeEvents(bytes)
        }
    }

    private mutating func ended() {
        guard let head = answer.head else { return fail(.connection("the connection was closed without an answer")) }
        if answer.isFailure {
            let status = answer.format.status(answer.body)
            return refuse(
                ReceivedStatus(
                    code: head.status, reason: status?.reason ?? "", message: status?.message ?? "",
                    retryAfter: head.retryAfter ?? status?.retryAfter))
        }
        if listing != nil { return takePage() }
        // What was begun of an event comes again.
        guard answer.isProven else { return fail(.earlyEnd) }
        wait(delay.jittered(settings.firstDelay / 5))
    }
}

extension String {
    /// As a value in a query: everything but letters, digits and `-._~` escaped.
    var queryEncoded: String { PercentEncoding.encode(self, keeping: "-._~") }
}
