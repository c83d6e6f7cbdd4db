// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyCases
import PolicyModel
import Reachability
import Testing
import WorldKit

/// Files of policy tests, read strictly.
@Suite struct PolicyTestFileTests {
    private func read(_ text: String) throws -> PolicyTestFile { try PolicyTestFile(Array(text.utf8), name: "t.yaml") }

    /// The problems of a file that must be refused.
    private func problems(_ text: String) -> [String] {
        do throws(PolicyTestFileError) {
            _ = try PolicyTestFile(Array(text.utf8), name: "t.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func everyField() throws {
        let file = try read(
            """
            manifests: [../a, b.yaml]
            namespace: shop
            namespaces:
              shop: {labels: {team: a}}
              other:
            pods:
              web: {labels: {app: web}, serviceAccount: web, ports: {http: 8080, dns: 53/udp}, ip: 10.0.0.1}
              other/host: {hostNetwork: true, node: n1}
            objects:
            - apiVersion: networking.k8s.io/v1
              kind: NetworkPolicy
              metadata: {name: p, namespace: shop}
              spec: {podSelector: {}}
            tests:
            - name: first
              allow:
                from: web
                to: [other/redis, "10.0.0.0/8"]
                ports: [80, 53/udp, 8000-8100]
            - deny: {from: web, to: redis, ports: 80, request: {path: /a, headers: {x-a: b}}}
              rule: {policy: shop/p, direction: ingress, rule: 2}
            """)
        #expect(file.manifests.map(\.path) == ["../a", "b.yaml"])
        #expect(file.objects.count == 5)
        guard case .pod(let pod) = file.objects[2] else {
            Issue.record("\(file.objects)")
            return
        }
        #expect(pod.metadata.namespace == "shop" && pod.metadata.labels == ["app": "web"])
        #expect(pod.serviceAccountName == "web" && pod.namedPorts.map(\.name).sorted() == ["dns", "http"])
        #expect(pod.podIPs == addresses("10.0.0.1"))
        #expect(file.cases.map(\.line) == [15, 20])
        #expect(file.cases[0].claim == "allow shop/web to other/redis, 10.0.0.0/8 80/TCP, 8000-8100/TCP, 53/UDP")
        #expect(file.cases[1].name == "deny shop/web to shop/redis 80/TCP GET /a")
        #expect(file.cases[1].request?.headers == ["x-a": "b"])
        #expect(file.cases[1].rule?.description == "shop/p ingress rule 2")
    }

    @Test(arguments: [
        ("tests: []", "t.yaml:1:8: tests: must not be empty"),
        ("pods: {}", "t.yaml:1:1: tests: is required"),
        ("test: []", "t.yaml:1:1: test: unknown field (hint: did you mean tests?)"),
        (
            "tests:\n- allow: {from: a, to: b, port: 80}",
            "t.yaml:2:27: tests[0].allow.port: unknown field (hint: did you mean ports?)"
        ),
        ("tests:\n- {}", "t.yaml:2:3: tests[0]: a test has either 'allow' or 'deny'"),
        (
            "tests:\n- allow: {from: a, to: b}\n  deny: {from: a, to: b}",
            "t.yaml:2:3: tests[0]: a test has either 'allow' or 'deny'"
        ),
        ("tests:\n- deny: {from: a}", "t.yaml:2:9: tests[0].deny.to: is required"),
        ("tests:\n- deny: {from: [], to: b}", "t.yaml:2:16: tests[0].deny.from: must not be empty"),
        ("tests:\n- deny: {from: a, to: b, ports: 70000}", "t.yaml:2:33: tests[0].deny.ports: '70000' is not a port"),
        (
            "tests:\n- deny: {from: outside, to: b, ports: 80}\n  rule: shop/p",
            "t.yaml:2:9: tests[0].deny: 'rule' needs ends that are pods, workloads or addresses"
        ),
        (
            "tests:\n- deny: {from: a, to: b}\n  rule: shop/p",
            "t.yaml:2:9: tests[0].deny: 'rule' needs 'ports' with single ports, at most 100"
        ),
        (
            "tests:\n- deny: {from: a, to: b, ports: 53/udp, request: {}}",
            "t.yaml:2:9: tests[0].deny: only TCP carries requests"
        ),
        (
            "pods:\n  shop/web: {labels: {app: yes}}\ntests:\n- deny: {from: a, to: b}",
            "t.yaml:2:28: pods[\"shop/web\"].metadata.labels.app:"
        ),
        ("pods: {shop/a: {}, shop/a: {}}\ntests: []", "t.yaml:1"),
        ("objects: [{kind: NetworkPolicies, apiVersion: networking.k8s.io/v1}]\ntests: []", "t.yaml:1"),
        ("", "t.yaml: there is no document"), ("\u{0}", "t.yaml"), ("a: [", "t.yaml:"),
    ])
    func refused(_ text: String, _ problem: String) {
        let found = problems(text)
        #expect(found.contains { $0.hasPrefix(problem) }, "\(found)")
    }

    /// Any damage of a file is refused or read, and never traps.
    @Test func damagedFiles() {
        let text = Array(
            """
            manifests: [a]
            pods: {shop/a: {labels: {a: b}, ports: {x: 1}}}
            tests: [{name: n, allow: {from: shop/a, to: [10.0.0.0/8, "*/a=b"], ports: [80, 1-2/udp], request: {path: /}}, rule: a/b}]
            """.utf8)
        var random = WorldRandom(seed: 7)
        var refused = 0
        for _ in 0..<3000 {
            var bytes = text
            for _ in 0..<random.between(1, 4) {
                let index = random.between(0, bytes.count - 1)
                if random.chance(percent: 50) {
                    bytes[index] = UInt8(random.between(0, 255))
                } else {
                    bytes.remove(at: index)
                }
            }
            do throws(PolicyTestFileError) {
                _ = try PolicyTestFile(bytes, name: "t.yaml")
            } catch {
                #expect(!error.problems.isEmpty)
                refused += 1
            }
        }
        #expect(refused > 500)
    }
}
