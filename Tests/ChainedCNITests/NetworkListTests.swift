// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Testing

@Suite struct NetworkListTests {
    private let settings = PluginSettings(socket: "/run/bulkhead/s")

    /// As kindnet writes it, with what others may have written.
    private static let kindnet = """
        {
        \t"cniVersion": "0.3.1",
        \t"name": "kindnet",
        \t"plugins": [
        \t{
        \t\t"type": "ptp", "ipMasq": false, "x": [1, "}],{", {"plugins": []}],
        \t\t"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]]}
        \t},
        \t{ "type": "portmap", "capabilities": {"portMappings": true} }
        \t]
        }

        """

    private func list(_ text: String) throws(NetworkListError) -> NetworkList { try NetworkList(Array(text.utf8)) }
    private func text(_ list: NetworkList) -> String { String(decoding: list.text, as: UTF8.self) }

    @Test func theEntryIsPutBehindTheOthers() throws {
        var list = try list(Self.kindnet)
        #expect(!list.hasPlugin && list.othersCount == 2)
        #expect(try list.put(settings))
        #expect(
            text(list)
                == Self.kindnet.replacing(
                    "\"portMappings\": true} }", with: "\"portMappings\": true} },\n\t" + settings.json))
        #expect(list.hasPlugin && list.othersCount == 2)
        let once = list
        #expect(try !list.put(settings) && list == once)
        #expect(try list.remove() && text(list) == Self.kindnet)
        #expect(try !list.remove())
    }

    @Test func settingsAreBroughtUpToDateWhereTheEntryIs() throws {
        let old = #"{"onDeadline" : "allow", "type":"bulkhead-cni", "socket":"/old"}"#
        let others = #"{"type":"a"}"#
        for order in [[old, others], [others, old], [others, old, #"{"type":"b"}"#]] {
            var list = try list(#"{"cniVersion":"1.0.0","name":"n","plugins":[\#(order.joined(separator: ", "))]}"#)
            #expect(list.hasPlugin && list.othersCount == order.count - 1)
            #expect(try list.put(settings))
            #expect(text(list).contains(settings.json) && !text(list).contains("/old"))
            #expect(try list.remove() && !list.hasPlugin)
            let rest = order.filter { $0 != old }.joined(separator: ", ")
            #expect(
                text(list).filter { $0 != " " }
                    == #"{"cniVersion":"1.0.0","name":"n","plugins":[\#(rest)]}"#.filter { $0 != " " })
        }
        // The same settings in another order change nothing.
        var same = try list(
            #"""
            {"plugins":[{"type":"a"},{"onDeadline":"deny","deadlineMilliseconds":10000, "type":"bulkhead-cni",
            "socket":"/run/bulkhead/s"}],"cniVersion":"1.0.0","name":"n"}
            """#)
        #expect(try !same.put(settings))
    }

    @Test func onePluginBecomesAList() throws {
        let plugin = #"{"cniVersion":"0.4.0","name":"mynet","type":"bridge","isGateway":true}"#
        var list = try NetworkList(ofPlugin: Array((plugin + "\n").utf8))
        #expect(list.othersCount == 1 && !list.hasPlugin)
        #expect(try list.put(settings))
        #expect(text(list).contains(plugin) && text(list).contains("\"name\": \"mynet\""))
        #expect(try NetworkList(list.text).othersCount == 1)
    }

    @Test(arguments: [
        "", "{", "[]", "{}", #"{"cniVersion":"1.0.0","plugins":{}}"#, #"{"cniVersion":"1.0.0","plugins":[]}"#,
        #"{"cniVersion":"1.0.0","plugins":[{}]}"#, #"{"cniVersion":"0.2.0","plugins":[{"type":"a"}]}"#,
        #"{"cniVersion":"3.0.0","plugins":[{"type":"a"}]}"#, #"{"plugins":[{"type":"a"}]}"#,
        #"{"cniVersion":"1.0.0","plugins":[{"type":"a"}],"plugins":[]}"#,
    ]) func whatIsNoListIsRefused(text: String) {
        #expect(throws: NetworkListError.self) { _ = try list(text) }
    }

    @Test func itIsNeverTheOnlyPlugin() throws {
        var list = try list(#"{"cniVersion":"1.0.0","plugins":[{"type":"bulkhead-cni","socket":"/x"}]}"#)
        #expect(throws: NetworkListError.self) { _ = try list.remove() }
        #expect(throws: NetworkListError.self) {
            _ = try NetworkList(ofPlugin: Array(#"{"cniVersion":"1.0.0","name":"n"}"#.utf8))
        }
    }
}
