// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import SelfProof

extension Agent where Plane: ~Copyable {
    /// Questions that kernel and policy are asked at once.
    private static var provenAtOnce: Int { 128 }
    private static var provenFlows: Int { 2048 }

    /// Checks now what is otherwise checked in turn, and repairs what is not as it should be. Between two batches of
    /// questions, changes of policy go first.
    public func verify() async -> VerifyAnswer {
        let last = programming.repairs.last
        let checks = [
            verifyHooks(), verifyPolicy(), verifyTables(), verifyLimits(), verifyInterfaces(), verifyConnections(),
            verifyBridges(), verifyRequests(), await verifyAnswers(),
        ]
        return VerifyAnswer(node: settings.nodeName, checks: checks, lastRepair: last)
    }

    private func verifyHooks() -> VerifyCheck {
        let before = programming.repairCount
        var missing: DatapathError?
        do {
            try datapath.checkPlace()
        } catch {
            missing = error
        }
        lookForChanges()
        do {
            try datapath.checkPlace()
        } catch {
            return VerifyCheck(.hooks, .failed, "\(error)", remedy: "restart bulkheadd")
        }
        if let error = programming.repairError {
            return VerifyCheck(.hooks, .failed, "cannot be restored: \(error)", remedy: "restart bulkheadd")
        }
        let repair = programming.repair(since: before)
        if let missing {
            return VerifyCheck(
                .hooks, .repaired, "restored: \(missing)", remedy: Self.watchOthers, repair: repair)
        }
        if let repair {
            let count = repair.count == 1 ? "1 change" : "\(repair.count) changes"
            return VerifyCheck(
                .hooks, .repaired, "\(count) by others repaired", remedy: Self.watchOthers, repair: repair)
        }
        return VerifyCheck(.hooks, .passed, "everything that enforces is in place")
    }

    private static var watchOthers: String {
        "find out which other program changes Bulkhead's objects; the log names them"
    }

    private func verifyPolicy() -> VerifyCheck {
        if phase.keepsPrevious || !phase.isClusterKnown {
            return VerifyCheck(
                .policy, .failed, "not all objects of the API server are known yet",
                remedy: "wait, or see what 'bulkheadctl status' says about the API server")
        }
        if let error = phase.error {
            return VerifyCheck(
                .policy, .failed, "the kernel could not be programmed: \(error)",
                remedy: "the daemon retries; the error says what is missing")
        }
        if let error = replacement.lastError {
            return VerifyCheck(.policy, .failed, "the other datapath also judges: \(error)", remedy: "see the log")
        }
        let refused = problems.count + history.refused.count
        guard refused == 0 else {
            return VerifyCheck(
                .policy, .failed,
                "\(refused == 1 ? "1 document is" : "\(refused) documents are") refused; previous versions stay in force",
                remedy: "correct what 'bulkheadctl status' names")
        }
        return VerifyCheck(.policy, .passed, "the kernel holds the newest policy of all sources")
    }

    private func verifyTables() -> VerifyCheck {
        guard phase.writesKernel else {
            return VerifyCheck(.tables, .failed, "not compared: a previous run's tables stay in force until then")
        }
        let before = programming.repairCount
        if let error = reconcile(.kernel) {
            return VerifyCheck(
                .tables, .failed, "they could not be compared: \(error)", remedy: "the daemon retries; see the log")
        }
        let report = programming.last
        guard report.repaired == 0 else {
            let count = "\(report.repaired) difference\(report.repaired == 1 ? "" : "s")"
            return VerifyCheck(
                .tables, .repaired, "\(count) from what was programmed repaired\(report.rebuilt ? ", rebuilt" : "")",
                remedy: Self.watchOthers, repair: programming.repair(since: before))
        }
        return VerifyCheck(.tables, .passed, "what is read back equals what was compiled")
    }

    private func verifyLimits() -> VerifyCheck {
        let unprotected = pipeline.endpointsOverLimit.count
        let denied = pipeline.statistics.programsOverLimit
        guard unprotected > 0 || denied > 0 else {
            return VerifyCheck(.limits, .passed, "every pod and rule has room in the tables")
        }
        return VerifyCheck(
            .limits, .failed,
            "pods without protection: \(unprotected); programs that deny everything because they are too large: "
                + "\(denied)", remedy: "run fewer pods on this node, or make the policies smaller")
    }

    private func verifyInterfaces() -> VerifyCheck {
        readNetwork()
        guard inputs.network != nil else {
            return VerifyCheck(
                .interfaces, .failed, "the node's network is not known", remedy: "see the log for what cannot be read")
        }
        let without = endpointsWithoutInterface.compactMap { pipeline.compiled.endpoints[$0]?.name.description }
        guard without.isEmpty else {
            let names = without.sorted().prefix(8).joined(separator: ", ")
            return VerifyCheck(
                .interfaces, .failed, "\(without.count) pods without one (\(names)\(without.count > 8 ? ", …" : ""))",
                remedy:
                    "policy does not hold for pods of macvlan, ipvlan and SR-IOV networks; a pod that starts has one "
                    + "soon")
        }
        return VerifyCheck(.interfaces, .passed, "known for all \(pipeline.compiled.endpoints.count) pods")
    }

    private func verifyConnections() -> VerifyCheck {
        guard let use = ConnectionUse() else {
            return VerifyCheck(
                .connections, .failed, "the kernel does not track connections: replies are judged as new flows",
                remedy: "load the module nf_conntrack")
        }
        guard !use.isNearlyFull else { return VerifyCheck(.connections, .failed, use.description) }
        return VerifyCheck(.connections, .passed, "tracked: \(use.count) of \(use.limit)")
    }

    private func verifyBridges() -> VerifyCheck {
        guard let status = bridgeStatus() else { return VerifyCheck(.bridges, .skipped, "no pod is behind a bridge") }
        guard status.problems.isEmpty else {
            return VerifyCheck(.bridges, .failed, status.problems.joined(separator: "; "))
        }
        return VerifyCheck(.bridges, .passed, "packets of \(status.ports) ports pass netfilter")
    }

    private func verifyRequests() -> VerifyCheck {
        guard let status = requestStatus(), status.endpoints > 0 else {
            return VerifyCheck(.requests, .skipped, "no flow's requests decide")
        }
        guard let problem = status.problem else {
            return VerifyCheck(.requests, .passed, "the proxy serves \(status.endpoints) pods")
        }
        return VerifyCheck(
            .requests, .failed, "the flows of \(status.endpoints) pods are refused: \(problem)",
            remedy: "start the node's proxy pod")
    }

    private func verifyAnswers() async -> VerifyCheck {
        var (asked, found) = (0, 0)
        await waitUntilReadyToAsk()
        reviewStanding()
        while asked < Self.provenFlows, phase.isInStep {
            // The tables may have been replaced meanwhile.
            if !isReadyToAsk() { await waitUntilReadyToAsk() }
            guard isReadyToAsk() else {
                return VerifyCheck(
                    .proof, .failed, "the kernel is not ready to be asked: its tables are replaced all the time",
                    remedy: "see the log")
            }
            guard phase.isInStep else { break }
            let count = min(Self.provenFlows - asked, max(Self.provenAtOnce, proving.pace?.batch ?? 0))
            let questions = proving.prover.questions(count, of: pipeline.compiled)
            guard !questions.isEmpty else { break }
            found += prove(questions)
            if let failure = proving.failure {
                return VerifyCheck(
                    .proof, .failed, "the kernel cannot be asked: \(failure)",
                    remedy: failure.isDamage ? Self.watchOthers : "policy is in force, but its effect is not verified")
            }
            asked += questions.count
            await Task.yield()
        }
        if let problem = proofProblems().first {
            return VerifyCheck(.proof, .failed, problem, remedy: "restart bulkheadd, and report this as a bug")
        }
        guard found == 0 else {
            return VerifyCheck(
                .proof, .repaired, "\(found) of \(asked) flows were decided otherwise than policy says",
                remedy: "report this as a bug, with the log")
        }
        guard asked > 0 else {
            let nothing = pipeline.compiled.endpoints.isEmpty ? "no pod of this node is known" : "not asked"
            return VerifyCheck(.proof, .skipped, nothing)
        }
        return VerifyCheck(.proof, .passed, "kernel and policy agree about \(asked) flows")
    }
}
