// SPDX-License-Identifier: Apache-2.0

extension ResourceWatch {
    /// Gives up the request under way, which failed.
    mutating func fail(_ failure: WatchFailure) {
        drop()
        failed(failure)
    }

    /// The request failed, not by an answer of the server, and is over. What was read stays, and is gone on from.
    mutating func failed(_ failure: WatchFailure) {
        var next = state.next
        note(failure)
        switch failure {
        case .disorder: next = fromTheList(next)
        case .malformed, .tooLarge, .answer:
            // It may come the same again.
            streaks.failed += 1
            if next.isPage || streaks.failed >= settings.answersUntilList { next = fromTheList(next) }
        case .connection, .silence, .earlyEnd: break
        }
        wait(delay.next(settings), then: next)
    }

    /// The server refused the request, or ended the watch with a reason.
    mutating func refuse(_ status: ReceivedStatus) {
        var next = state.next
        let isExpired = status.code == 410 || status.reason == "Expired" || status.reason == "Gone"
        if status.code == 404, resource.isCustom {
            // Of a watch it is asked once more, by a list.
            if case .page(let listing) = next { return absent(listing) }
            return wait(delay.jittered(settings.firstDelay / 5), then: fromTheList(next))
        }
        note(.answer(status: status.code, reason: status.reason, message: status.message))
        if status.code == 401 { actions.append(.credentialsRefused) }
        streaks.failed += 1
        if isExpired, next.isPage { streaks.expired += 1 }
        let mayPass = status.code == 401 || status.code == 403 || status.code == 429 || status.code >= 500
        if isExpired || !mayPass || streaks.failed >= settings.answersUntilList { next = fromTheList(next) }
        wait(delay.next(settings, atLeast: status.retryAfter), then: next)
    }

    private mutating func note(_ failure: WatchFailure) {
        delay.failed()
        lastFailure = failure
        actions.append(.failure(failure))
    }

    /// The next request is the list's first page.
    private mutating func fromTheList(_ next: Next) -> Next {
        streaks.failed = 0
        return .list(isAbsent: next.isAbsent)
    }
}
