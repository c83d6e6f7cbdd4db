// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Documents
import Foundation
import KubernetesObjects
import PostureReport
import Reachability
import Testing

/// The page: its data, and that nothing in it can become markup.
@Suite struct PageTests {
    private func page(_ text: String) throws -> ReportPage {
        ReportPage(try Posture(try inventory(text)), version: "1")
    }

    /// The part of the page between two texts.
    private func part(_ html: String, _ start: String, _ end: String) throws -> String {
        let from = try #require(html.range(of: start))
        let to = try #require(html.range(of: end, range: from.upperBound..<html.endIndex))
        return String(html[from.upperBound..<to.lowerBound])
    }

    /// Pairs and ports of the data are those that `reach` lists.
    @Test func thePairsAreThoseOfReach() throws {
        struct Data: Decodable {
            var parties: [Party]
            var edges: [[Int]]
            var links: [Link]
            var access: [Access]
            struct Party: Decodable {
                var text: String
                init(from decoder: any Decoder) throws {
                    var list = try decoder.unkeyedContainer()
                    let namespace = try list.decode(String.self)
                    _ = try list.decode(String.self)
                    let name = try list.decode(String.self)
                    text = namespace.isEmpty ? name : "\(namespace)/\(name)"
                }
            }
            struct Link: Decodable {
                var access: Int
                init(from decoder: any Decoder) throws {
                    var list = try decoder.unkeyedContainer()
                    access = try list.decode(Int.self)
                }
            }
            struct Access: Decodable {
                var label: String
                init(from decoder: any Decoder) throws {
                    var list = try decoder.unkeyedContainer()
                    label = try list.decode(String.self)
                }
            }
        }
        let cluster = try inventory(shop)
        let data = try JSONDecoder().decode(
            Data.self, from: Foundation.Data(ReportPage(try Posture(cluster), version: "1").data.utf8))
        var shown: Set<String> = []
        for edge in data.edges {
            for run in stride(from: 2, to: edge.count, by: 2) {
                for to in edge[run]..<edge[run] + edge[run + 1] {
                    let label = data.access[data.links[edge[1]].access].label
                    shown.insert("\(data.parties[edge[0]].text) \(data.parties[to].text) \(label)")
                }
            }
        }
        var map = try cluster.map()
        let rows = try map.reach(from: .anywhere, to: .anywhere).filter { !$0.isOwnNode }
        let expected = rows.map { row in
            let ports = PortSpan.normalized(row.open.map(\.ports))
            let label = ports == PortSpan.all ? "every port" : ports.map(\.description).joined(separator: ", ")
            return "\(row.from.text) \(row.to.text) \(label)"
        }
        #expect(shown == Set(expected) && shown.count > 10)
        #expect(shown.contains("tools/cron shop/redis 6379/TCP"))
    }

    /// The data of a small cluster, as it is.
    @Test func golden() throws {
        let data = try page(
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: web, namespace: shop, labels: {app: web}}
            status: {podIP: 10.244.0.10, podIPs: [{ip: 10.244.0.10}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: web, namespace: shop}
            spec:
              podSelector: {}
              policyTypes: [Ingress, Egress]
              ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 80}]}]
            """
        ).data
        let kinds = try part(data, "\"kinds\":[", "],\"parties\"")
        #expect(data.replacingOccurrences(of: kinds, with: "") == Golden.data)
    }

    /// The browser runs only what has the hash.
    @Test func theHashesAreThoseOfTheTexts() throws {
        let html = try page(shop).html
        for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
            let text = try part(html, "<\(tag)>", "</\(tag)>")
            let hash = try sha256(text)
            #expect(html.contains("\(directive) 'sha256-\(hash)'"), "\(tag) has \(hash)")
        }
        let policy = try part(html, "http-equiv=\"Content-Security-Policy\" content=\"", "\"")
        #expect(policy.hasPrefix("default-src 'none'; ") && !policy.contains("unsafe"))
        #expect(!html.contains("http://") || html.components(separatedBy: "http://").count == 2, "only SVG's name")
    }

    private func sha256(_ text: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let writer = Thread {
            input.fileHandleForWriting.write(Data(text.utf8))
            try? input.fileHandleForWriting.close()
        }
        writer.start()
        let hex = output.fileHandleForReading.readDataToEndOfFile().prefix(64)
        process.waitUntilExit()
        let digits = String(decoding: hex, as: UTF8.self)
        let bytes = stride(from: 0, to: 64, by: 2).compactMap { index in
            UInt8(digits.dropFirst(index).prefix(2), radix: 16)
        }
        return Data(bytes).base64EncodedString()
    }

    /// What names may be where nothing checks them, such as those of owners.
    @Test func hostileNames() throws {
        let name = #"</script><script>alert(1)</script><!--\#u{2028}\#u{2029}\#u{1b}[2J&\#u{202e}"#
        let quoted = DocumentNode.string(name).json
        let html = try page(
            """
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "ownerReferences": \
            [{"apiVersion": "a/v1", "kind": "Kind", "name": \(quoted), "uid": "1", "controller": true}]}}
            """
        ).html
        #expect(html.components(separatedBy: "</script>").count == 3)
        #expect(html.components(separatedBy: "<script").count == 3)
        for text in ["<!--", "\u{2028}", "\u{2029}", "\u{1b}", "\u{202e}"] { #expect(!html.contains(text)) }
        let data = try part(html, "id=\"data\">", "</script>")
        let parsed = try #require(try JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any])
        let parties = try #require(parsed["parties"] as? [[Any]])
        let shown = try #require(parties[0][2] as? String)
        #expect(shown.hasPrefix("</script><script>alert(1)</script><!--") && shown.contains(#"\u001b[2J&"#))
    }
}

extension ReachParty {
    fileprivate var text: String {
        switch self {
        case .workload(let key): "\(key)"
        case .nodes: "nodes"
        case .outside: "outside"
        }
    }
}
