// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints", abstract: "Lists the pods of this node with their policies and interfaces.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var list: ListOptions

    func run() async throws {
        var answer = try await socket.client.ask(EndpointsAnswer.self, .get, .endpoints)
        answer.endpoints.removeAll { !list.includes(namespace: $0.namespace) }
        try output.print(answer) { Self.text($0, isWide: output.isWide) }
    }

    static func text(_ answer: EndpointsAnswer, isWide: Bool = false) -> String {
        var titles = ["NAMESPACE", "NAME", "ADDRESSES", "INTERFACE", "INGRESS", "EGRESS"]
        let hasRequests = answer.endpoints.contains { $0.requestPorts != nil }
        if hasRequests { titles.append("REQUESTS") }
        var table = Table(titles: isWide ? ["ID"] + titles : titles)
        for endpoint in answer.endpoints {
            var cells: [Table.Cell] = [
                .init(endpoint.namespace.isEmpty ? "-" : endpoint.namespace), .init(endpoint.name),
                .init(addresses(endpoint, isWide: isWide)), .init(interface(endpoint, isWide: isWide)),
                .init(text(endpoint.ingress, isWide: isWide)), .init(text(endpoint.egress, isWide: isWide)),
            ]
            if hasRequests { cells.append(.init(requests(endpoint, isWide: isWide))) }
            table.add(row: isWide ? ["\(endpoint.id)"] + cells : cells)
        }
        return table.text
    }

    /// The first, and how many more.
    private static func addresses(_ endpoint: EndpointAnswer, isWide: Bool) -> String {
        guard !isWide, let first = endpoint.addresses.first, endpoint.addresses.count > 1 else {
            return endpoint.addresses.joined(separator: ",")
        }
        return "\(first) +\(endpoint.addresses.count - 1)"
    }

    private static func interface(_ endpoint: EndpointAnswer, isWide: Bool) -> String {
        let port = endpoint.bridgePort.map { isWide ? "\($0.name) (bridge port)" : $0.name }
        let name = endpoint.interface?.name ?? port ?? "-"
        return endpoint.unknown == true ? "\(name) (unknown pod)" : name
    }

    /// The ports whose requests the node's proxy decides about.
    private static func requests(_ endpoint: EndpointAnswer, isWide: Bool) -> String {
        guard let ports = endpoint.requestPorts else { return "-" }
        return isWide || ports.count < 3 ? ports.joined(separator: ",") : "\(ports[0]) +\(ports.count - 1)"
    }

    private static func text(_ direction: EndpointDirection, isWide: Bool) -> String {
        if direction.program == 0 { return "open" }
        let policies = direction.policies
        if policies.isEmpty { return Words.count(direction.rules, "rule") }
        return isWide
            ? policies.map(\.description).joined(separator: ",")
            : Words.count(policies.count, "policy", "policies")
    }
}
