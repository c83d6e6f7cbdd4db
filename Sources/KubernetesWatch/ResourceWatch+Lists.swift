// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension ResourceWatch {
    /// The page is complete, as far as can be known; a truncated page cannot be read.
    mutating func takePage() {
        guard case .listing(var listing, let exchange) = state else { return }
        let page: ReceivedPage
        do {
            page = try exchange.format.page(exchange.body, of: resource)
        } catch {
            return failed(.malformed(error.reason))
        }
        // A second reference to what is pending would have it copied.
        state = .idle
        listing.pageBytes = exchange.body.count
        listing.isAbsent = false
        streaks.absent = 0
        streaks.unservedVersions = 0
        if streaks.expired == 0 { delay.succeeded() }
        take(page.objects, &listing)
        if page.nameless > 0 {
            lastFailure = .malformed("\(page.nameless) objects without a name")
            actions.append(.failure(lastFailure!))
        }
        listing.continueToken = page.continueToken
        guard page.continueToken.isEmpty else { return askForPage(listing) }
        finishList(listing.pending)
        watch(from: page.resourceVersion)
    }

    private mutating func take(_ objects: [ReceivedObject], _ listing: inout Listing) {
        var events: [ObjectEvent] = []
        events.reserveCapacity(isComplete ? 0 : objects.count)
        for received in objects {
            if isComplete {
                guard known.mark(received.key, round: round) != received.version else { continue }
                listing.pending.append(received)
            } else if let event = event(setting: received) {
                events.append(event)
            }
        }
        if !events.isEmpty { actions.append(.deliver(events)) }
    }

    /// All of the list is there: what it does not have is gone.
    private mutating func finishList(_ pending: [ReceivedObject]) {
        var events: [ObjectEvent] = []
        for received in pending {
            if let event = event(setting: received) { events.append(event) }
        }
        events += known.removeUnmarked(round: round).map { .removed($0) }
        if !events.isEmpty { actions.append(.deliver(events)) }
        signs += 1
        streaks.failed = 0
        streaks.expired = 0
        delay.succeeded()
        guard !isComplete else { return }
        isComplete = true
        actions.append(.complete)
    }

    /// Takes a version of an object as the known one. Nil if it is known already, or cannot be read; the previously
    /// known version then stays.
    mutating func event(setting received: ReceivedObject) -> ObjectEvent? {
        guard let object = received.object else {
            if refused.count < Self.refusedLimit || refused[received.key] != nil {
                refused[received.key] = received.refusal ?? "cannot be read"
            }
            if known.version(received.key) != nil {
                known.set(received.key, version: received.version, round: round)
            }
            return nil
        }
        if !refused.isEmpty { refused[received.key] = nil }
        let old = known.set(received.key, version: received.version, round: round)
        guard old != received.version || received.version.isEmpty else { return nil }
        keepVersion(of: received)
        return .set(object)
    }

    // MARK: No such resource

    /// The server says that there is no such custom resource. It may say so wrongly while it starts, so what is known
    /// is let go only after it has said so several times.
    mutating func absent(_ listing: Listing) {
        guard !asksForNextVersion() else { return list(isAbsent: listing.isAbsent) }
        streaks.absent += 1
        delay.succeeded()
        guard known.count == 0 || streaks.absent >= settings.absentAnswers else {
            return wait(delay.jittered(settings.absentPause), then: .list(isAbsent: listing.isAbsent))
        }
        // A new list that nothing is in.
        round &+= 1
        refused = [:]
        finishList([])
        wait(delay.jittered(settings.absentInterval), then: .list(isAbsent: true))
    }

    /// Whether there is a version that was not asked for since one was served. The resource then has it.
    private mutating func asksForNextVersion() -> Bool {
        let versions = resource.kind.apiVersions
        streaks.unservedVersions += 1
        let isLeft = streaks.unservedVersions < versions.count
        if !isLeft { streaks.unservedVersions = 0 }
        guard versions.count > 1, let current = versions.firstIndex(of: resource.apiVersion) else { return false }
        resource.apiVersion = versions[isLeft ? (current + 1) % versions.count : 0]
        return isLeft
    }
}
