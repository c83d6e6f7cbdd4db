// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlSocket
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Requests

extension Agent where Plane: ~Copyable {
    /// A question about a Service: the answer for each of its backends, of which one is shown.
    public func explain(
        _ question: ServiceQuestion, request: HTTPRequest? = nil
    ) async throws(ErrorAnswer) -> ExplainAnswer {
        let name = "\(question.namespace)/\(question.name)"
        guard let source = settings.services else {
            throw ErrorAnswer(
                .notFound,
                "'to': this bulkheadd follows no API server and knows no Services; ask about one of the pods of \(name)"
            )
        }
        let found: FoundService?
        do {
            found = try await source.service(namespace: question.namespace, name: question.name)
        } catch {
            throw ErrorAnswer(.notFound, "'to': the Service \(name) is not known: \(error)")
        }
        guard let found else { throw ErrorAnswer(.notFound, "'to': no Service \(name) in the cluster") }
        return try await explain(
            found, from: question.from, question.ipProtocol, question.port, request: request)
    }

    /// The same where the destination is a Service's address; nil if it is not known to be one. The text says why that
    /// is not known.
    func serviceAsked(
        _ asked: AskedVerdict, _ question: FlowQuestion, _ request: HTTPRequest?
    ) async throws(ErrorAnswer) -> (answer: ExplainAnswer?, problem: String?) {
        guard case .nobody(let address, nil) = asked.destination, address.isPrivate,
            let source = settings.services, let port = question.port
        else { return (nil, nil) }
        let found: FoundService?
        do {
            found = try await source.service(at: address)
        } catch {
            return (nil, "whether \(address) is a Service's address is not known: \(error)")
        }
        guard let found else { return (nil, nil) }
        let answer = try await explain(found, from: question.from, question.ipProtocol, port, request: request)
        return (answer, nil)
    }

    private func explain(
        _ found: FoundService, from: FlowEnd, _ ipProtocol: IPProtocol, _ number: UInt16, request: HTTPRequest?
    ) async throws(ErrorAnswer) -> ExplainAnswer {
        let service = found.service
        let name = "Service \(service.namespace)/\(service.name)"
        guard let port = service.ports.first(where: { $0.number == number && $0.ipProtocol == ipProtocol }) else {
            let known = service.ports.map { "\($0.number)/\("\($0.ipProtocol)".lowercased())" }.joined(separator: ", ")
            throw ErrorAnswer(.notFound, "'port': \(name) has no such port; it has \(known.isEmpty ? "none" : known)")
        }
        // An unknown sender is refused as a whole, not backend by backend.
        _ = try addresses(of: from, "from")
        let (backends, notReady) = found.backends(of: port)
        var explained: [(pod: String, port: UInt16, answer: ExplainAnswer)] = []
        var (seen, left): (Set<String>, Int) = ([], 0)
        for (address, port) in backends {
            let pod = pipeline.pod(owning: address)
            // A pod of both families is in two slices.
            guard seen.insert("\(pod?.description ?? address.description) \(port)").inserted else { continue }
            guard explained.count < ServiceBackends.limit else {
                left += 1
                continue
            }
            let end = pod.map { FlowEnd.pod(namespace: $0.namespace, name: $0.name) } ?? .address(address)
            let question = FlowQuestion(from: from, to: end, ipProtocol: ipProtocol, port: port)
            // A backend of another family gets no packets of this sender.
            guard let (answer, _) = try? await explainFlow(question, request) else { continue }
            explained.append((pod?.description ?? address.description, port, answer))
        }
        guard !explained.isEmpty else {
            let why = notReady > 0 ? ": \(notReady) of its endpoints are not ready" : ""
            throw ErrorAnswer(.notFound, "'to': \(name) has no backend that is ready\(why)")
        }
        var notes: [String] = []
        if notReady > 0 { notes.append("\(notReady) of its endpoints are not ready and get no packets") }
        if left > 0 { notes.append("\(left) more backends are not listed") }
        return ExplainAnswer(about: name, explained: explained, notes: notes)
    }
}

private enum ServiceBackends {
    /// Backends for which one question is answered: each costs a verdict.
    static let limit = 64
}

extension FoundService {
    /// The addresses to which packets to a port go, with the ports there, and how many endpoints are not ready.
    fileprivate func backends(of port: Service.Port) -> (ready: [(IPAddress, UInt16)], notReady: Int) {
        var ready: [(IPAddress, UInt16)] = []
        var notReady = 0
        for slice in slices {
            guard let target = slice.ports.first(where: { $0.name == port.name && $0.ipProtocol == port.ipProtocol })
            else { continue }
            for endpoint in slice.endpoints {
                // All addresses of an endpoint are one pod's, and the first one gets the packets.
                guard let address = endpoint.addresses.first else { continue }
                if endpoint.isReady { ready.append((address, target.number)) } else { notReady += 1 }
            }
        }
        return (ready.sorted { $0.0 < $1.0 }, notReady)
    }
}
