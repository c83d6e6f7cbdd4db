// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Journal
import PolicyPipeline

/// What an event changed, so that ``Agent/reconcile(_:)`` derives only what depends on it.
struct Changed: OptionSet {
    let rawValue: UInt8

    /// The pipeline has indexed something that is not compiled yet.
    static let policy = Changed(rawValue: 1)
    /// Places of endpoints: the node's network, or the interfaces that the container runtime names.
    static let places = Changed(rawValue: 2)
    /// The kernel's content, by others or by a failed write: everything is compared.
    static let kernel = Changed(rawValue: 4)
}

/// What the datapath was given in addition to the policy; empty after the policy was written as a whole.
struct Programmed {
    /// The place of each endpoint that the datapath was given; nil for an endpoint without a place.
    var places: [EndpointID: EndpointPlace?] = [:]
    var tunnels: ToldTunnels?
}

extension Agent where Plane: ~Copyable {
    /// Programs the kernel for the present inputs. Each change of an input calls this once, with what changed.
    ///
    /// The order is fixed: policy first, then the places of endpoints with the bridges' table, then tunnels and the
    /// way to the request proxy; last the calls that wait for all this, and what another datapath still enforces. So a packet is never judged by less than
    /// before. Each part is derived only if its inputs changed: one pod's change costs what that pod costs.
    ///
    /// - Returns: why the policy could not be written. The failure is logged, and the agent retries.
    @discardableResult
    func reconcile(_ changed: Changed) -> DatapathError? {
        let arrival = ContinuousClock.now
        let delta = changed.contains(.policy) ? pipeline.compile() : CompiledDelta()
        var movesEndpoints = false
        var failure: DatapathError?
        // Otherwise the change waits in the pipeline.
        if phase.writesKernel {
            do throws(DatapathError) {
                movesEndpoints = try program(delta, changed, since: arrival)
            } catch {
                failure = error
            }
            // The network may change while the policy cannot be written.
            if movesEndpoints || changed.contains(.places) { updatePlaces() }
            updateTunnels()
            if movesEndpoints || changed.contains(.places) || steering.isDue { updateSteering() }
        }
        writeJournal(delta)
        let changesEndpoints = !delta.addedEndpoints.isEmpty || !delta.removedEndpoints.isEmpty
        if changesEndpoints || changed.contains(.places) { noteMismatches() }
        if failure == nil {
            restartEditedRules()
            wakeAttaching()
        }
        publishRequests(delta, changed)
        // After a failure, only the timer and a change of the network try again: pods change too often.
        if replacement.retry == nil || changed.contains(.places) { replaceOther() }
        return failure
    }

    /// Writes a step of the compiler to the kernel, or everything if the kernel's content is uncertain.
    ///
    /// - Returns: whether endpoints may have moved.
    private func program(
        _ delta: CompiledDelta, _ changed: Changed, since arrival: ContinuousClock.Instant
    ) throws(DatapathError) -> Bool {
        let isWhole = changed.contains(.kernel)
        if !isWhole, !delta.isEmpty, programming.pendingSince == nil { programming.pendingSince = arrival }
        // After a failure it is unknown what is programmed.
        if isWhole || (changed.contains(.policy) && phase.error != nil) {
            keepCountsBeforeWhole()
            setSteeringMarks()
            try write { plane, policy throws(DatapathError) in try plane.resync(policy) }
            steering.takeWhole(pipeline.compiled)
            pipeline.releaseNumbering()
            programmed = Programmed()
            return true
        }
        guard !delta.isEmpty else { return false }
        keepCounts(before: delta)
        try write { plane, policy throws(DatapathError) in try plane.program(delta, of: policy) }
        steering.take(delta, of: pipeline.compiled)
        for id in delta.removedEndpoints { programmed.places[id] = nil }
        return concernsPlaces(delta)
    }

    /// Before the first whole write, so that flows on their way to the proxy never meet a policy that does not know them.
    private func setSteeringMarks() {
        guard !programming.knowsMarks else { return }
        do {
            try datapath.setSteeringMarks(settings.requests.steering.marks)
            programming.knowsMarks = true
        } catch {
            logger.error("flows whose requests decide are denied", metadata: ["error": "\(error)"])
        }
    }

    private func write(
        _ call: (inout Plane, borrowing CompiledPolicy) throws(DatapathError) -> ProgramReport
    ) throws(DatapathError) {
        let start = ContinuousClock.now
        do {
            programming.last = try call(&datapath, pipeline.compiled)
        } catch {
            failed(error)
            throw error
        }
        programming.lastDuration = ContinuousClock.now - start
        programming.batches += 1
        programming.noteEnforced()
        noteRepair()
        if phase.error != nil {
            noteInJournal(JournalEvent(.recovered, "the kernel holds the newest policy again"))
            logger.notice("programmed again", metadata: ["failures": "\(programming.backoff.failures)"])
        }
        phase.move(on: .written)
        programming.retryAt = nil
        programming.backoff.succeeded()
        logger.debug(
            "programmed",
            metadata: [
                "words": "\(programming.last.wordsWritten)", "graces": "\(programming.last.gracePeriods)",
                "rebuilt": "\(programming.last.rebuilt)", "took": "\(programming.lastDuration)",
            ])
        planReclaim()
    }

    private func failed(_ error: DatapathError) {
        programming.backoff.failed()
        programming.failures += 1
        phase.move(on: .writeFailed(error))
        logger.error(
            "the kernel could not be programmed; the previous policy stays in force",
            metadata: ["error": "\(error)", "failures": "\(programming.backoff.failures)"])
        if programming.backoff.failures == 1 { noteInJournal(JournalEvent(.failed, "\(error)")) }
        guard let delay = programming.backoff.delay else { return }
        programming.retryAt = .now + delay
        if programming.retry == nil { programming.retry = Task { await self.retryUntilProgrammed() } }
    }

    private func retryUntilProgrammed() async {
        while let due = programming.retryAt, !Task.isCancelled {
            if due > .now {
                try? await Task.sleep(until: due, clock: .continuous)
                // Another attempt may have moved the time meanwhile.
                continue
            }
            // A failure moves the time.
            reconcile(.kernel)
        }
        programming.retry = nil
    }
}
