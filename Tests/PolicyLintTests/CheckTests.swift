// SPDX-License-Identifier: Apache-2.0
import Findings
import PolicyLint
import PolicyModel
import PolicyResolver
import Testing

/// What the pages' examples do not show: where checks must stay silent, and the places that they name.
@Suite struct CheckTests {
    private static let redis = deployment("redis", labels: "{app: redis}", ports: "{name: redis, containerPort: 6379}")
    private static let web = deployment("web", labels: "{app: web}")

    // MARK: Text

    @Test func labelsWithoutMatchLabels() {
        let policy = networkPolicy("redis", "{podSelector: {app: redis}, ingress: []}")
        #expect(lint(policy).codes == ["BH001"])
        // Beside a selector that is not empty, the document is refused; nothing is opened by it.
        let beside = networkPolicy(
            "redis", "{podSelector: {matchLabels: {a: b}}, matchLabels: {app: redis}, ingress: []}")
        #expect(lint(beside).codes == ["BH000"])
    }

    @Test func linesOfLaterDocumentsAndLists() {
        let text = """
            # A comment.
            ---
            apiVersion: v1
            kind: List
            items:
            - apiVersion: networking.k8s.io/v1
              kind: NetworkPolicy
              metadata: {name: one, namespace: shop}
              spec:
                podSelector: {}
                policyTypes: [Ingress]
                egress:
                - to: [{podSelector: {}}]
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: two, namespace: shop}
            spec:
              podSelector: {}
              ingress:
              - from: []
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: three, namespace: shop}
            spec:
              podSelector: {}
              ingress: nothing
            """
        let report = lint(text, ignoring: [.allowAllBeside])
        #expect(report.codesAndLines == ["BH012:12", "BH016:21", "BH000:28"])
        #expect(report.findings[0].object == "NetworkPolicy shop/one")
        #expect(report.findings[1].field == "spec.ingress[0].from")
    }

    @Test func textThatIsNoDocument() {
        let report = lint("kind: NetworkPolicy\nspec: [\n")
        #expect(report.codes == ["BH000"])
        #expect(lint("replicas: 3\nimage: redis\n").codes == [], "the values of a chart")
        #expect(lint("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n$patch: delete\n").codes == [])
    }

    @Test func bothFamiliesOfMetadata() {
        func findings(_ blocks: String) -> FindingReport {
            lint(networkPolicy("web", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [\(blocks)]}]}"))
        }
        let v4 = "{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}"
        let open = findings("\(v4), {ipBlock: {cidr: '::/0'}}")
        #expect(open.codes == ["BH002"])
        #expect(open.findings[0].message.contains("fd00:ec2::254, is open"))
        let closed = findings("\(v4), {ipBlock: {cidr: '::/0', except: ['fd00:ec2::254/128']}}")
        #expect(closed.codes == ["BH002", "BH002"])
        #expect(closed.findings.allSatisfy { !$0.message.contains("is open") })
        #expect(findings("{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}").codes == ["BH003"])
    }

    @Test func rulesOfAuthorizationThatAreAlternatives() {
        func policy(_ rules: String, action: String = "ALLOW") -> String {
            """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: viewer, namespace: shop}
            spec: {action: \(action), rules: [\(rules)]}
            """
        }
        let from = "from: [{source: {namespaces: [ops]}}]"
        let to = "to: [{operation: {paths: [/admin]}}]"
        #expect(lint(policy("{\(from)}, {\(to)}")).codes == ["BH011"])
        #expect(lint(policy("{\(from), \(to)}")).codes == [])
        #expect(lint(policy("{\(from)}, {\(to)}", action: "DENY")).codes == [])
    }

    // MARK: Selectors

    @Test func nothingIsSaidOfNamespacesThatNobodyDescribes() {
        let policy = networkPolicy(
            "redis",
            """
            {podSelector: {matchLabels: {app: redis}}, ingress: [{from: [
              {namespaceSelector: {matchLabels: {team: ops}}, podSelector: {matchLabels: {app: x}}}]}]}
            """)
        #expect(lint(policy).codes == [])
        #expect(lint(policy + Self.redis).codes == [])
        #expect(lint(policy, isWholeCluster: true).codes == ["BH004", "BH005"])
    }

    @Test func theNearestNamesAreNamed() {
        let policy = networkPolicy(
            "redis",
            "{podSelector: {matchLabels: {app: rediss}}, ingress: [{from: [{podSelector: {matchLabels: {ap: web}}}]}]}")
        let messages = lint(policy + Self.redis + Self.web).findings.map(\.message)
        #expect(messages.count == 2)
        #expect(messages[0] == "The policy selects no pod: no pod there has app=rediss; app is redis there.")
        #expect(messages[1] == "The peer matches no pod: no pod there has ap=web; did you mean app?.")
    }

    @Test func hostNetworkPodsAreNotSelected() {
        let policy = networkPolicy("agent", "{podSelector: {matchLabels: {app: agent}}, ingress: []}")
        let agent = deployment("agent", labels: "{app: agent}").replacing(
            "spec: {containers", with: "spec: {hostNetwork: true, containers")
        #expect(lint(policy + agent + Self.web).codes == ["BH004"])
    }

    /// A kind of another group with the same name is not a workload. Of a wrong template, the rest counts.
    @Test func onlyWorkloadsRunPods() {
        let policy = networkPolicy("agent", "{podSelector: {matchLabels: {app: agent}}, ingress: []}")
        let agent = deployment("agent", labels: "{app: agent}")
        #expect(lint(policy + agent + Self.web).codes == [])
        let other = agent.replacing("apiVersion: apps/v1", with: "apiVersion: apps.example/v1")
        #expect(other != agent && lint(policy + other + Self.web).codes == ["BH004"])
        let broken = agent.replacing("labels: {app: agent}", with: "labels: {app: agent, replicas: 3}")
        #expect(broken != agent && lint(policy + broken + Self.web).codes == [])
    }

    @Test func namesOfPorts() {
        func policy(_ ports: String) -> String {
            networkPolicy("redis", "{podSelector: {matchLabels: {app: redis}}, ingress: [{ports: [\(ports)]}]}")
        }
        #expect(lint(policy("{port: redis}") + Self.redis).codes == [])
        let wrong = lint(policy("{port: redis, protocol: UDP}") + Self.redis)
        #expect(wrong.codes == ["BH009"])
        #expect(wrong.findings[0].message.contains("the port of this name is TCP"))
        #expect(lint(policy("{port: rediss}") + Self.redis).findings[0].message.hasSuffix("did you mean redis?."))
    }

    /// Its policies are for the pods of all namespaces.
    @Test func theRootNamespaceOfTheMesh() {
        let policy = """
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: web, namespace: mesh}
            spec: {selector: {matchLabels: {app: web}}, action: DENY, rules: [{to: [{operation: {ports: ["80"]}}]}]}

            """
        let settings = PolicySettings(mesh: MeshSettings(rootNamespace: "mesh"))
        #expect(lint(policy + Self.web, isWholeCluster: true).codes.contains("BH004"))
        #expect(!lint(policy + Self.web, isWholeCluster: true, settings: settings).codes.contains("BH004"))
    }

    // MARK: DNS

    @Test func anotherPolicyMayAllowDNS() {
        let web = networkPolicy(
            "web",
            """
            {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress],
             egress: [{to: [{podSelector: {matchLabels: {app: redis}}}]}]}
            """)
        func dns(_ selector: String) -> String {
            networkPolicy(
                "dns",
                "{podSelector: {\(selector)}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}")
        }
        let pods = Self.redis + Self.web
        #expect(lint(web + pods).codes == ["BH010"])
        #expect(lint(web + dns("") + pods).codes == [])
        #expect(lint(web + dns("matchLabels: {app: redis}") + pods).codes == ["BH010"])
        // Nothing is known of the pods: they may have the labels of both.
        #expect(lint(web + dns("matchLabels: {dns: allowed}")).codes == [])
    }

    // MARK: Suppression

    @Test func suppression() {
        let text = networkPolicy("redis", "{podSelector: {}, ingress: [{from: []}]}")
        let quiet = text.replacing(
            "namespace: shop", with: "namespace: shop, annotations: {bulkhead.dev/lint-ignore: 'BH016, BH001'}")
        #expect(lint(text).codes == ["BH016"])
        let report = lint(quiet + text.replacing("redis", with: "other"), ignoring: [.duplicate, .allowAllBeside])
        #expect(report.codes == ["BH016"] && report.suppressed == 1)
        #expect(report.findings[0].object == "NetworkPolicy shop/other")
        #expect(lint(text, ignoring: [.emptyPeers]).codes == [])
    }
}
