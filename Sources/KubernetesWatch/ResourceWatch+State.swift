// SPDX-License-Identifier: Apache-2.0

extension ResourceWatch {
    /// The state of the watch. Each case carries only what it needs; its comment lists the inputs that leave it.
    ///
    /// Every answer that ends, fails or falls silent leads to ``waiting(_:_:)``; from there the timer leads on.
    enum State: Sendable {
        /// Nothing was requested yet. `begin`: listing.
        case idle
        /// A page of the list was requested. Its end: the next page, or watching after the last one.
        case listing(Listing, Exchange)
        /// A watch was requested. Silence for the first time: watching, with a new request.
        case watching(Watch, Exchange)
        /// Nothing is under way. The timer: the next request.
        case waiting(TimerID, Next)
    }

    /// What to request after a wait.
    enum Next: Sendable {
        /// The list from its beginning.
        case list(isAbsent: Bool)
        /// The page of the list that could not be read.
        case page(Listing)
        /// A watch from this version on; the list if it is empty.
        case watch(version: String)

        var isPage: Bool { if case .page = self { true } else { false } }

        /// Whether the server is assumed to have no such resource.
        var isAbsent: Bool {
            switch self {
            case .list(let isAbsent): isAbsent
            case .page(let listing): listing.isAbsent
            case .watch: false
            }
        }

        /// The server's state up to which everything is known; empty if the list must be read.
        var version: String { if case .watch(let version) = self { version } else { "" } }
    }

    /// A list that is read page after page.
    struct Listing: Sendable {
        /// Whether the server is assumed to have no such resource until this list shows otherwise.
        var isAbsent: Bool
        var continueToken = ""
        /// What is new in the list; kept until the list is complete.
        var pending: [ReceivedObject] = []
        /// Bytes of the last page.
        var pageBytes = 0
    }

    /// A watch for changes.
    struct Watch: Sendable {
        /// The server's state up to which everything is known.
        var version: String
        /// Seconds after which the server was asked to end the watch.
        var seconds: UInt64
        var frames: EventFrames
    }

    /// The request under way and its answer so far.
    struct Exchange: Sendable {
        let request: RequestID
        var silenceTimer: TimerID
        /// Whether anything arrived since the timer of silence was set.
        var isHeard = false
        /// How many times in a row nothing had arrived.
        var silences = 0
        var head: ResponseHead?
        var format = WireFormat.json
        var body: [UInt8] = []
        /// Whether it has proven to be a working watch.
        var isProven = false

        var isFailure: Bool { head.map { $0.status != 200 } ?? false }

        init(request: RequestID, silenceTimer: TimerID) {
            self.request = request
            self.silenceTimer = silenceTimer
        }
    }

    /// Consecutive answers of one kind, without a success between them.
    struct Streaks: Sendable {
        /// The server has no such resource.
        var absent = 0
        /// The server does not serve the resource in the version that it was asked for.
        var unservedVersions = 0
        /// Failed answers of watches from one version.
        var failed = 0
        /// Lists that expired before their end.
        var expired = 0
    }
}

extension ResourceWatch.State {
    var exchange: ResourceWatch.Exchange? {
        switch self {
        case .listing(_, let exchange), .watching(_, let exchange): exchange
        case .idle, .waiting: nil
        }
    }

    /// What continues when the request under way, or the wait, is given up.
    var next: ResourceWatch.Next {
        switch self {
        case .idle: .list(isAbsent: false)
        case .listing(let listing, _): .page(listing)
        case .watching(let watch, _): .watch(version: watch.version)
        case .waiting(_, let next): next
        }
    }

    var phase: WatchStatus.Phase {
        switch self {
        case .idle: .idle
        case .listing(let listing, _): listing.isAbsent ? .absent : .listing
        case .watching(_, let exchange): exchange.head?.status == 200 ? .watching : .waiting
        case .waiting(_, let next): next.isAbsent ? .absent : .waiting
        }
    }
}
