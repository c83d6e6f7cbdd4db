// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints", abstract: "Lists the pods of this node with their policies and interfaces.",
        discussion: "With a pod's name: that pod alone. 'describe pod' shows its policies as well.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var list: ListOptions

    @Argument(
        help: ArgumentHelp("A pod to show alone, as namespace/name or name.", valueName: "pod"),
        completion: DaemonNames.pods)
    var pod: String?

    func run() async throws {
        if let pod { return try await show(pod) }
        var answer = try await socket.client.ask(EndpointsAnswer.self, .get, .endpoints)
        answer.endpoints.removeAll { !list.includes(namespace: $0.namespace) }
        try output.print(answer) { Self.text($0, isWide: output.isWide) }
        if answer.endpoints.isEmpty {
            await output.explainEmpty("no pod of this node is known", list, socket.client)
        }
    }

    /// One pod, without the rules of its policies.
    private func show(_ name: String) async throws {
        let pod = try await DescribePodCommand.ask(socket, name, namespace: list.namespace)
        try output.print(pod) { pod in
            var outline = Outline()
            outline.addHead(pod)
            return outline.text
        }
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
