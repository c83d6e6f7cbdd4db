// SPDX-License-Identifier: Apache-2.0
import Findings
import PolicyLint
import Testing

/// Which rules are pointless beside which others.
@Suite struct MeaningTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var first: String
        var second: String
        var codes: [String]

        init(_ name: String, _ first: String, _ second: String, _ codes: String...) {
            testDescription = name
            self.first = first
            self.second = second
            self.codes = codes
        }
    }

    /// Rules of two policies for the same pods.
    @Test(arguments: [
        Row(
            "the same pods, fewer ports", "{from: [{podSelector: {}}]}",
            "{from: [{podSelector: {}}], ports: [{port: 80}]}", "BH006"),
        Row("other ports", "{ports: [{port: 81}]}", "{ports: [{port: 80}]}"),
        Row("a range and a port in it", "{ports: [{port: 80, endPort: 90}]}", "{ports: [{port: 85}]}", "BH006"),
        Row("a range and a port beside it", "{ports: [{port: 80, endPort: 90}]}", "{ports: [{port: 91}]}"),
        Row("another protocol", "{ports: [{port: 80, protocol: UDP}]}", "{ports: [{port: 80}]}"),
        Row("a name is no number", "{ports: [{port: web}]}", "{ports: [{port: 80}]}"),
        Row("a name in all ports", "{ports: [{protocol: TCP}]}", "{ports: [{port: web}]}", "BH006"),
        Row(
            "a prefix in a prefix", "{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}",
            "{from: [{ipBlock: {cidr: 10.1.0.0/16}}]}", "BH006"),
        Row(
            "an excepted prefix", "{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.2.0/24]}}]}",
            "{from: [{ipBlock: {cidr: 10.1.0.0/16}}]}"),
        Row(
            "two halves", "{from: [{ipBlock: {cidr: 10.0.0.0/9}}, {ipBlock: {cidr: 10.128.0.0/9}}]}",
            "{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}", "BH006"),
        Row("pods may be anywhere", "{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}", "{from: [{podSelector: {}}]}"),
        Row(
            "pods have both families", "{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}", "{from: [{podSelector: {}}]}", "BH003"),
        Row(
            "every address", "{from: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}]}",
            "{from: [{podSelector: {}}]}", "BH006"),
        Row(
            "more labels", "{from: [{podSelector: {matchLabels: {a: b}}}]}",
            "{from: [{podSelector: {matchLabels: {a: b, c: d}}}]}", "BH006"),
        Row(
            "fewer labels", "{from: [{podSelector: {matchLabels: {a: b, c: d}}}]}",
            "{from: [{podSelector: {matchLabels: {a: b}}}]}", "BH006"),
        Row(
            "an excluded label",
            "{from: [{podSelector: {matchExpressions: [{key: c, operator: NotIn, values: [d]}]}}]}",
            "{from: [{podSelector: {matchLabels: {a: b}}}]}"),
        Row(
            "with and without a label",
            """
            {from: [{podSelector: {matchExpressions: [{key: c, operator: Exists}]}},
                    {podSelector: {matchExpressions: [{key: c, operator: DoesNotExist}]}}]}
            """, "{from: [{podSelector: {matchLabels: {a: b}}}]}", "BH006"),
        Row(
            "some of the values",
            "{from: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [b, c]}]}}]}",
            "{from: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [b, d]}]}}]}"),
        Row("the own namespace among all", "{from: [{namespaceSelector: {}}]}", "{from: [{podSelector: {}}]}", "BH006"),
        Row(
            "the own namespace by name",
            "{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}",
            "{from: [{podSelector: {}}]}", "BH006"),
        Row(
            "a namespace by label", "{from: [{namespaceSelector: {matchLabels: {team: a}}}]}",
            "{from: [{podSelector: {}}]}"),
        Row("the same rule", "{ports: [{port: 80}]}", "{ports: [{port: 80}]}", "BH007"),
        Row("everything", "{}", "{ports: [{port: 80}]}", "BH014"),
    ])
    func twoRules(row: Row) {
        // A second rule, so that the policies are not equal.
        let one = networkPolicy("one", "{podSelector: {matchLabels: {x: z}}, ingress: [\(row.first)]}")
        let two = networkPolicy(
            "two",
            "{podSelector: {matchLabels: {x: z}}, ingress: [\(row.second), {ports: [{port: 1, protocol: SCTP}]}]}")
        let report = lint(one + two)
        #expect(Set(report.codes) == Set(row.codes), "\(report.text())")
    }

    @Test func thePodsOfAPolicyMatter() {
        func policy(_ name: String, _ selector: String) -> String {
            networkPolicy(name, "{podSelector: {\(selector)}, ingress: [{ports: [{port: 80}]}]}")
        }
        let all = policy("all", "")
        let some = policy("some", "matchLabels: {app: web}")
        #expect(lint(all + some).codes == ["BH006"])
        #expect(lint(all + some).findings[0].object == "NetworkPolicy shop/some")
        #expect(lint(some + policy("others", "matchLabels: {app: api}")).codes == [])
    }

    private func tier(_ name: String, priority: Int, _ rules: String) -> String {
        """
        ---
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: \(name)}
        spec: {tier: Admin, priority: \(priority), subject: {namespaces: {}}, ingress: [\(rules)]}

        """
    }

    @Test func tiersAcrossPolicies() {
        let deny = "{action: Deny, from: [{namespaces: {matchLabels: {team: guests}}}]}"
        let accept = "{action: Accept, from: [{namespaces: {}}]}"
        let unreachable = lint(tier("a", priority: 1, accept) + tier("b", priority: 2, deny))
        #expect(unreachable.codes == ["BH013"])
        #expect(unreachable.findings[0].object == "ClusterNetworkPolicy b")
        #expect(lint(tier("a", priority: 2, accept) + tier("b", priority: 1, deny)).codes == [])
        #expect(lint(tier("a", priority: 1, deny) + tier("b", priority: 1, accept)).codes == ["BH008"])
        #expect(lint(tier("a", priority: 1, deny + ", " + deny)).codes == ["BH013"])
    }

    /// Nodes that one rule excludes may be those of the other.
    @Test func nodesWithLabelsThatAreExcluded() {
        func policy(_ first: String, _ second: String) -> String {
            tier("nodes", priority: 1, "").replacing(
                "ingress: []",
                with: """
                    egress: [
                      {action: Deny, to: [{nodes: {\(first)}}]}, {action: Accept, to: [{nodes: {\(second)}}]}]
                    """)
        }
        let without = "matchExpressions: [{key: role, operator: DoesNotExist}]"
        let others = "matchExpressions: [{key: role, operator: NotIn, values: [x]}]"
        #expect(lint(policy(without, others)).codes == [])
        #expect(lint(policy(others, without)).codes == ["BH013"])
        #expect(lint(policy("", others)).codes == ["BH013"])
    }

    @Test func whatATierDenies() {
        let policy = networkPolicy("web", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
        let all = "{action: Deny, from: [{namespaces: {}}]}"
        #expect(lint(tier("closed", priority: 1, all) + policy).codes == ["BH008"])
        // A pass may let some of it reach the NetworkPolicy after all.
        let pass = "{action: Pass, from: [{namespaces: {matchLabels: {team: ops}}}]}"
        #expect(lint(tier("closed", priority: 1, "\(pass), \(all)") + policy).codes == [])
    }

    @Test func auditIsCheckedAsIfEnforced() {
        let text =
            networkPolicy("all", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")
            + networkPolicy("web", "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}")
        let audited = text.replacing(
            "namespace: shop", with: "namespace: shop, annotations: {bulkhead.dev/enforcement: audit}")
        #expect(lint(audited).codes == ["BH006"])
    }

    /// One of many labels and a further one: pods without the further one would show nothing about the wide rule.
    @Test func tooManyValues() {
        let values = (0..<300).map { "v\($0)" }.joined(separator: ", ")
        let expressions = "{key: a, operator: In, values: [\(values)]}, {key: b, operator: Exists}"
        let wide = networkPolicy(
            "wide", "{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [\(expressions)]}}]}]}")
        let narrow = networkPolicy(
            "narrow", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {a: v1, b: x}}}]}]}")
        let report = lint(narrow + wide)
        #expect(report.codes == [] && report.notes.count == 1, "\(report.text())")
    }

    /// Too many combinations of excluded labels: nothing is claimed, and the report says so.
    @Test func tooManySelectors() {
        let many = (0..<7).map { "{key: k\($0), operator: NotIn, values: [a, b]}" }.joined(separator: ", ")
        let peer = "{podSelector: {matchExpressions: [\(many)]}}"
        let text = networkPolicy("odd", "{podSelector: {}, ingress: [{from: [\(peer)]}, {}]}")
        let report = lint(text)
        #expect(report.codes == [] && report.notes.count == 1)
        #expect(report.text().contains("note: The policies were not compared"))
    }
}
