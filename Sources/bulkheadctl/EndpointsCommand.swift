// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints", abstract: "Lists the pods of this node with their policies and interfaces.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try output.print(try await socket.client.ask(EndpointsAnswer.self, .get, .endpoints), text: Self.text)
    }

    static func text(_ answer: EndpointsAnswer) -> String {
        var table = Table("ID", "NAMESPACE", "NAME", "ADDRESSES", "INTERFACE", "INGRESS", "EGRESS")
        for endpoint in answer.endpoints {
            table.add(
                "\(endpoint.id)", .init(endpoint.namespace.isEmpty ? "-" : endpoint.namespace), .init(endpoint.name),
                .init(endpoint.addresses.joined(separator: ",")), .init(interface(endpoint)),
                .init(text(endpoint.ingress)), .init(text(endpoint.egress)))
        }
        return table.text
    }

    private static func interface(_ endpoint: EndpointAnswer) -> String {
        let name = endpoint.interface?.name ?? endpoint.bridgePort.map { "\($0.name) (bridge port)" } ?? "-"
        return endpoint.unknown == true ? "\(name) (unknown pod)" : name
    }

    private static func text(_ direction: EndpointDirection) -> String {
        if direction.program == 0 { return "open" }
        return direction.policies.isEmpty
            ? "\(direction.rules) rules" : direction.policies.map(\.description).joined(separator: ",")
    }
}
