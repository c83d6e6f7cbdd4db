// SPDX-License-Identifier: Apache-2.0
import Agent
import Foundation
import NetworkKit
import PolicyResolver
import PrometheusText
import Testing

/// The dashboard and the alerts ask for what there is.
@Suite struct MonitoringFilesTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("deploy/monitoring")

    private func text(_ name: String) throws -> String {
        try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
    }

    /// Names of all series that the agent gives.
    private func served() async throws -> [String: MetricFamily.Kind] {
        let directory = try TemporaryDirectory()
        let journal = AgentJournal.start(
            path: directory.path, node: "node", policy: PolicySettings(), logger: AgentFixture.silent)
        defer { journal?.stop() }
        let fixture = try AgentFixture(cluster: ClusterTests.follower(), journal: journal)
        try await fixture.start()
        var names: [String: MetricFamily.Kind] = [:]
        for family in await fixture.agent.metrics() {
            names[family.name] = family.kind
            guard family.kind == .histogram else { continue }
            for suffix in ["_bucket", "_sum", "_count"] { names[family.name + suffix] = .histogram }
        }
        return names
    }

    @Test func everyMetricIsDocumented() async throws {
        let documented = try text("../../docs/metrics.md")
        for (name, kind) in try await served() where kind != .histogram || name.hasSuffix("_seconds") {
            #expect(documented.contains("| `\(name)"), "\(name) is not in docs/metrics.md")
        }
    }

    @Test(arguments: ["grafana-dashboard.json", "prometheus-rule.yaml", "../../docs/metrics.md"])
    func everyMetricExists(file: String) async throws {
        let names = try await served()
        let named = Set(try text(file).matches(of: /\b(?:bulkhead|process)_[a-z_]+\b/).map { String($0.output) })
        #expect(named.count >= 10)
        for name in named { #expect(names[name] != nil, "\(file) names \(name)") }
    }

    /// What is watched for in one place should be seen in the other: no metric is served that nothing shows.
    @Test func everyMetricIsShown() async throws {
        let shown = try text("grafana-dashboard.json") + text("prometheus-rule.yaml")
        let unseen: Set = ["bulkhead_event_followers", "process_start_time_seconds"]
        for (name, kind) in try await served() where kind != .histogram && !unseen.contains(name) {
            #expect(shown.contains(name), "\(name) is shown nowhere")
        }
    }

    @Test func theDashboardIsWhole() throws {
        let json = try JSONSerialization.jsonObject(with: Data(text("grafana-dashboard.json").utf8)) as? [String: Any]
        let panels = try #require(json?["panels"] as? [[String: Any]])
        var expressions = 0
        for panel in panels where panel["type"] as? String != "row" {
            for target in try #require(panel["targets"] as? [[String: Any]]) {
                let expression = try #require(target["expr"] as? String)
                #expect(expression.count { $0 == "(" } == expression.count { $0 == ")" }, "\(expression)")
                #expect(expression.contains("$node"), "\(expression) is not of the chosen nodes")
                expressions += 1
            }
        }
        #expect(expressions > 25)
        #expect(Set(panels.compactMap { $0["id"] as? Int }).count == panels.count)
    }

    @Test func alertsSayWhatIsWrong() throws {
        let rules = try text("prometheus-rule.yaml").split(separator: "- alert: ").dropFirst()
        #expect(rules.count > 10)
        for rule in rules {
            #expect(rule.contains("expr:") && rule.contains("summary:"), "\(rule)")
            #expect(rule.contains("severity: critical") || rule.contains("severity: warning"), "\(rule)")
        }
    }
}
