// SPDX-License-Identifier: Apache-2.0
import ChainedCNI

/// Calls of the plugin as a runtime makes them.
enum Requests {
    static let environment = [
        "CNI_CONTAINERID": "3f2a", "CNI_NETNS": "/run/netns/x", "CNI_IFNAME": "eth0",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1",
    ]

    /// As ptp prints it, with spaces and numbers that Bulkhead's own writers would write differently.
    static let result = """
        {"cniVersion": "1.0.0",  "interfaces":[{"name":"veth1","mac":"aa:bb:cc:dd:ee:ff"},
         {"name":"eth0","sandbox":"/run/netns/x"}], "ips":[{"interface":1,"address":"10.1.0.2/24","gateway":"10.1.0.1"},
         {"interface":1,"address":"fd00::2/64"}, {"interface":0,"address":"10.1.0.1/32"}],
         "routes":[{"dst":"0.0.0.0/0","mtu":1.50e3}],"dns":{}, "x": 123456789012345678901234567890}
        """

    static func configuration(_ extra: String = "", version: String = "1.0.0", result: String? = result) -> String {
        let previous = result.map { ",\"prevResult\":\($0)" } ?? ""
        return """
            {"cniVersion":"\(version)","name":"net","type":"bulkhead-cni","socket":"/run/bulkhead/s"\(extra)\(previous)}
            """
    }

    static func read(
        _ command: CNIRequest.Command, _ configuration: String = configuration(), without missing: String? = nil,
        with changes: [String: String] = [:]
    ) throws(CNIError) -> CNIRequest {
        var environment = environment.merging(changes) { _, new in new }
        if let missing { environment[missing] = nil }
        return try CNIRequest(command, environment, Array(configuration.utf8))
    }
}

/// A daemon that gives prepared answers, and a clock that stands still but for sleeps.
final class ScriptedDaemon {
    var replies: [Result<ControlReply, any Error>] = []
    var calls: [(call: ControlCall, milliseconds: Int)] = []
    var now = 0
    var warnings: [String] = []

    func run(_ request: CNIRequest) throws -> String {
        let call = PluginCall(
            request,
            exchange: { call, _, milliseconds in
                self.calls.append((call, milliseconds))
                self.now += 1
                return try self.replies.count > 1 ? self.replies.removeFirst().get() : self.replies[0].get()
            },
            clock: PluginClock(now: { self.now }, sleep: { self.now += $0 }), warn: { self.warnings.append($0) })
        return String(decoding: try call.run(), as: UTF8.self)
    }

    func answer(_ status: Int, _ body: String) { replies.append(.success(reply(status, body))) }
    func leave() { replies.append(.failure(Unreachable("nobody there"))) }

    private func reply(_ status: Int, _ body: String) -> ControlReply {
        let text = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        // It is what is read of bytes.
        return try! ControlReply.read(Array(text.utf8), isWhole: true)!
    }
}
