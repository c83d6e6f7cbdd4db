// SPDX-License-Identifier: Apache-2.0

extension ResourceWatch {
    /// The request under way failed without an answer from the server. What was read stays, and the watch continues
    /// there.
    mutating func fail(_ failure: WatchFailure) {
        drop()
        note(failure)
        switch failure {
        case .disorder: startOver()
        case .malformed, .tooLarge, .answer:
            // The same may come again.
            failedAnswers += 1
            if listing != nil || failedAnswers >= settings.answersUntilList { startOver() }
        case .connection, .silence, .earlyEnd: break
        }
        wait(delay.next(settings))
    }

    /// The server refused the request, or ended the watch with a reason.
    mutating func refuse(_ status: ReceivedStatus) {
        let isExpired = status.code == 410 || status.reason == "Expired" || status.reason == "Gone"
        if status.code == 404, resource.isCustom {
            // For a watch, a list asks once more.
            if listing != nil { return absent() }
            startOver()
            return wait(delay.jittered(settings.firstDelay / 5))
        }
        note(.answer(status: status.code, reason: status.reason, message: status.message))
        if status.code == 401 { actions.append(.credentialsRefused) }
        failedAnswers += 1
        if isExpired, listing != nil { expirations += 1 }
        let mayPass = status.code == 401 || status.code == 403 || status.code == 429 || status.code >= 500
        if isExpired || !mayPass || failedAnswers >= settings.answersUntilList { startOver() }
        wait(delay.next(settings, atLeast: status.retryAfter))
    }

    private mutating func note(_ failure: WatchFailure) {
        delay.failed()
        lastFailure = failure
        actions.append(.failure(failure))
    }

    /// The next request is the list's first page.
    private mutating func startOver() {
        listing = nil
        version = ""
        failedAnswers = 0
    }
}
