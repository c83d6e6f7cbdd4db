// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension ResourceWatch {
    /// The page is complete, as far as can be known; a truncated page cannot be read.
    mutating func takePage() {
        let page: ReceivedPage
        do {
            page = try answer.format.page(answer.body, of: resource)
        } catch {
            return fail(.malformed(error.reason))
        }
        listing?.pageBytes = answer.body.count
        answer = Answer()
        absentAnswers = 0
        isAbsent = false
        if expirations == 0 { delay.succeeded() }
        take(page.objects)
        if page.nameless > 0 {
            lastFailure = .malformed("\(page.nameless) objects without a name")
            actions.append(.failure(lastFailure!))
        }
        listing?.continueToken = page.continueToken
        guard page.continueToken.isEmpty else { return askForPage() }
        finishList()
        version = page.resourceVersion
        watch()
    }

    private mutating func take(_ objects: [ReceivedObject]) {
        var events: [ObjectEvent] = []
        events.reserveCapacity(isComplete ? 0 : objects.count)
        for received in objects {
            if isComplete {
                guard known.mark(received.key, round: round) != received.version else { continue }
                listing?.pending.append(received)
            } else if let event = event(setting: received) {
                events.append(event)
            }
        }
        if !events.isEmpty { actions.append(.deliver(events)) }
    }

    /// The list is complete: objects that are not in it are gone.
    mutating func finishList() {
        var events: [ObjectEvent] = []
        for received in listing?.pending ?? [] {
            if let event = event(setting: received) { events.append(event) }
        }
        listing = nil
        events += known.removeUnmarked(round: round).map { .removed($0) }
        if !events.isEmpty { actions.append(.deliver(events)) }
        signs += 1
        failedAnswers = 0
        expirations = 0
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
        return old == received.version && !received.version.isEmpty ? nil : .set(object)
    }

    // MARK: No such resource

    /// The server says that there is no such custom resource. It may say so wrongly while it starts, so known objects
    /// are dropped only after several such answers.
    mutating func absent() {
        absentAnswers += 1
        listing = nil
        version = ""
        delay.succeeded()
        guard known.count == 0 || absentAnswers >= settings.absentAnswers else {
            return wait(delay.jittered(settings.absentPause))
        }
        isAbsent = true
        // A new list without any object.
        round &+= 1
        refused = [:]
        finishList()
        wait(delay.jittered(settings.absentInterval))
    }
}
