// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FoundationEssentials
import Testing

@Suite struct ResolvedBodyTests {
    private func problem(_ json: String) -> Problem? {
        do {
            _ = try JSONDecoder().decode(ResolvedBody.self, from: Data(json.utf8))
            return nil
        } catch let error as DecodingError {
            return Problem(error)
        } catch {
            return Problem(field: "?", reason: "\(error)")
        }
    }

    private func endpoint(_ more: String) -> String {
        #"{"endpoints":[{"name":"a","addresses":["10.0.0.1"]\#(more)}]}"#
    }

    @Test func everyFieldIsRead() throws {
        let json = endpoint(
            #","namespace":"n","ingress":{"default":"deny","rules":[{"name":"r","action":"pass","peers":[{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}],"ports":[{"protocol":"TCP","port":1,"endPort":2}]}]},"egress":{"default":"allow"}"#
        )
        let body = try JSONDecoder().decode(ResolvedBody.self, from: Data(json.utf8))
        let rule = ResolvedRuleBody(
            name: "r", action: "pass", peers: [PeerBody(cidr: "10.0.0.0/8", except: ["10.1.0.0/16"])],
            ports: [PortBody(protocol: "TCP", port: 1, endPort: 2)])
        #expect(
            body
                == ResolvedBody(endpoints: [
                    ResolvedEndpointBody(
                        namespace: "n", name: "a", addresses: ["10.0.0.1"],
                        ingress: ResolvedDirectionBody(rules: [rule], default: "deny"),
                        egress: ResolvedDirectionBody(default: "allow"))
                ]))
    }

    @Test(arguments: [
        (#","except":[]"#, "endpoints[0].except", "unknown field"),
        (#","ingress":{"default":"deny","otherwise":1}"#, "endpoints[0].ingress.otherwise", "unknown field"),
        (
            #","ingress":{"default":"deny","rules":[{"action":"allow","peer":[]}]}"#,
            "endpoints[0].ingress.rules[0].peer", "unknown field"
        ),
        (
            #","ingress":{"default":"deny","rules":[{"action":"allow","peers":[{"cidr":"x","excpet":[]}]}]}"#,
            "endpoints[0].ingress.rules[0].peers[0].excpet", "unknown field"
        ),
        (
            #","ingress":{"default":"deny","rules":[{"action":"allow","ports":[{"protocol":"TCP","prot":1}]}]}"#,
            "endpoints[0].ingress.rules[0].ports[0].prot", "unknown field"
        ),
        (#","ingress":{"rules":[]}"#, "endpoints[0].ingress.default", "is missing"),
        (#","ingress":[]"#, "endpoints[0].ingress", "is not an object"),
        (
            #","egress":{"default":"deny","rules":[{"action":"allow","ports":[{"protocol":"TCP","port":"80"}]}]}"#,
            "endpoints[0].egress.rules[0].ports[0].port", "is not a whole number"
        ),
    ])
    func wrongFieldsAreNamed(_ more: String, _ field: String, _ reason: String) {
        let found = problem(endpoint(more))
        #expect(found?.field == field)
        #expect(found?.reason == reason)
    }

    @Test func emptyListsAreRefused() {
        for (list, field) in [("peers", "peers"), ("ports", "ports")] {
            let found = problem(endpoint(#","ingress":{"default":"deny","rules":[{"action":"allow","\#(list)":[]}]}"#))
            #expect(found?.field == "endpoints[0].ingress.rules[0].\(field)")
            #expect(found?.reason.contains("leave the field out") == true)
        }
    }

    @Test(arguments: ["", "nonsense", "{", "\u{0}", #"{"endpoints":[{]}"#]) func whatIsNoJSONIsToldSo(_ text: String) {
        #expect(problem(text)?.reason == "the body is not JSON, or has a number out of range")
    }
}
