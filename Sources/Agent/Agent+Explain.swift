// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import CompiledPolicy
import ControlProtocol
import Datapath
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Requests

extension Agent where Plane: ~Copyable {
    /// A verdict with everything that was tried on the way to it, and with the kernel's own answer.
    public func explain(
        _ question: FlowQuestion, request: HTTPRequest? = nil
    ) async throws(ErrorAnswer) -> ExplainAnswer {
        let (answer, asked) = try await explainFlow(question, request)
        let service = try await serviceAsked(asked, question, request)
        if let answer = service.answer { return answer }
        var noted = answer
        noted.verdict.add(note: service.problem)
        return noted
    }

    /// The same without the question whether the destination is a Service's address.
    func explainFlow(
        _ question: FlowQuestion, _ request: HTTPRequest?
    ) async throws(ErrorAnswer) -> (ExplainAnswer, AskedVerdict) {
        await waitUntilReadyToAsk()
        let asked = try ask(question, request)
        let kernel = compareWithKernel(asked.flows, question)
        let here = pipeline.trace(asked.flows[0], request: request)
        let (verdict, there) =
            asked.elsewhere.isEmpty
            ? (asked.answer(decidedElsewhere: [:]), ClusterTrace()) : await Self.explain(asked)
        func side(
            _ end: AskedVerdict.End, _ answer: DirectionAnswer?, _ here: DirectionTrace?, _ there: DirectionTrace?
        ) -> DirectionTrace? {
            guard answer?.verdict != DirectionAnswer.undecided else { return nil }
            if case .elsewhere = end { return there }
            return here
        }
        var answer = ExplainAnswer(
            verdict: verdict, egress: side(asked.source, verdict.egress, here.egress, there.egress),
            ingress: side(asked.destination, verdict.ingress, here.ingress, there.ingress))
        answer.verdict.kernel = kernel
        return (answer, asked)
    }

    private nonisolated static func explain(_ asked: AskedVerdict) async -> (VerdictAnswer, ClusterTrace) {
        var cluster = ClusterVerdict(objects: asked.objects, settings: asked.settings)
        var decided: [Flow: ClusterDecision] = [:]
        for flow in asked.flows {
            decided[flow] = try? cluster.answer(FlowQuestion(about: flow), request: asked.request)
        }
        let trace = decided[asked.flows[0]].map { cluster.trace(of: $0, request: asked.request) }
        return (asked.answer(decidedElsewhere: decided), trace ?? ClusterTrace())
    }
}

extension FlowQuestion {
    /// The question about a flow by its addresses.
    init(about flow: Flow) {
        self.init(
            from: .address(flow.source), to: .address(flow.destination), ipProtocol: flow.ipProtocol,
            port: flow.destinationPort)
    }
}

// MARK: - The kernel's answer

extension Agent where Plane: ~Copyable {
    /// What the kernel says of flows, beside what the tables say. What it is asked is decided on this node: only the
    /// directions of this node's pods.
    func compareWithKernel(_ flows: [Flow], _ question: FlowQuestion) -> KernelComparison {
        if let reason = reasonNotToAsk { return KernelComparison(notAsked: reason) }
        let traces = flows.map { pipeline.compiled.trace($0) }
        var compared = traces.map { trace in
            var flow = ComparedFlow(
                flow: trace.flow.description, way: way(of: trace.flow).text, model: NodeDecision(trace))
            flow.notAsked = trace.reasonNotToAsk
            return flow
        }
        let asked = traces.indices.filter { compared[$0].notAsked == nil }
        guard !asked.isEmpty else { return KernelComparison(flows: compared) }
        guard isReadyToAsk() else { return KernelComparison(notAsked: "the programs that answer are being loaded") }
        do {
            let questions = asked.map { KernelQuestion(flow: traces[$0].flow, way: way(of: traces[$0].flow)) }
            for (index, answer) in zip(asked, try datapath.ask(questions)) {
                compared[index].take(answer, to: traces[index]) { pipeline.compiled.rules[$0]?.identity }
            }
        } catch {
            for index in asked { compared[index].notAsked = "the kernel cannot be asked: \(error)" }
        }
        var result = KernelComparison(flows: compared)
        if result.agrees == false { result.bundle = bundle(traces, compared, question) }
        return result
    }

    /// Why the kernel need not hold what the tables say; nil if it holds it.
    private var reasonNotToAsk: String? {
        if phase.keepsPrevious {
            return "the kernel keeps what a previous run left until all objects of the API server are known"
        }
        if let error = phase.error { return "the kernel does not hold the newest policy yet: \(error)" }
        return phase.isInStep ? nil : "the kernel does not hold the newest policy yet"
    }

    private func way(of flow: Flow) -> KernelQuestion.Way {
        if isOwn(flow.source) { return .fromOwnNode }
        return isOwn(flow.destination) ? .toOwnNode : .forwarded
    }

    private func isOwn(_ address: IPAddress) -> Bool {
        let entry = pipeline.compiled.addresses.entry(of: address)
        guard entry.endpoint == .none else { return false }
        return isOwnAddress(address) || (1..<AddressClassID.ownNodeLimit).contains(entry.addressClass.rawValue)
    }

    private func bundle(
        _ traces: [FlowTrace], _ flows: [ComparedFlow], _ question: FlowQuestion
    ) -> DisagreementBundle {
        DisagreementBundle(
            time: RFC3339.now(), version: BuildVersion.text, node: settings.nodeName, datapath: settings.datapathKind,
            from: question.from.description, to: question.to.description, flows: flows,
            rows: traces.flatMap { trace in [trace.egress, trace.ingress].compactMap(\.self).map { TableRow($0) } },
            writes: programming.batches, repaired: programming.repaired)
    }
}

extension KernelQuestion.Way {
    fileprivate var text: String {
        switch self {
        case .forwarded: "forwarded"
        case .toOwnNode: "toOwnNode"
        case .fromOwnNode: "fromOwnNode"
        }
    }
}

extension FlowTrace {
    /// Why the kernel of this node has no say; nil if it has.
    fileprivate var reasonNotToAsk: String? {
        if decision.isSelf { return "a pod's packets to its own address do not leave it" }
        guard KernelQuestion(flow: flow).isPossible else { return "IPv6 packets have no such last header" }
        return egress == nil && ingress == nil ? "neither end is a pod of this node" : nil
    }
}

extension TableRow {
    fileprivate init(_ trace: DirectionTrace) {
        self.init(
            flow: trace.flow.description, direction: trace.direction.rawValue,
            endpoint: trace.decision.endpoint.description, program: Int(trace.program.rawValue),
            addressClass: Int(trace.addressClass.rawValue), portClass: Int(trace.portClass.rawValue),
            action: trace.cell.map { "\($0.action)" }, rule: trace.cell.map { Int($0.rule.rawValue) })
    }
}
