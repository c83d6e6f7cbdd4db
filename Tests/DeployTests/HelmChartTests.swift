// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import Testing
import Yams

/// The Helm chart gives the cluster what kustomize gives it.
@Suite struct HelmChartTests {
    private static let deploy = Kustomization.repository.appending(path: "deploy")
    private static let folder = deploy.appending(path: "charts/bulkhead")

    /// Without what only the chart has: labels of Helm, and the sum that replaces the proxy.
    private func rendered(_ values: String = "{}", namespace: String = "kube-system") throws -> Kustomization {
        var result = try Kustomization(Self.deploy)
        result.documents = try HelmChart(Self.folder, values: values, namespace: namespace).documents()
        for index in result.documents.indices {
            let document = result.documents[index]
            let labels = document.node["metadata"]?["labels"]?.mapping
            let own =
                labels?.filter {
                    ![
                        "app.kubernetes.io/instance", "app.kubernetes.io/managed-by",
                        "app.kubernetes.io/version", "helm.sh/chart",
                    ].contains($0.key.string)
                } ?? []
            #expect(labels?.count == own.count + 4, "\(document.file)")
            result.documents[index].node["metadata"]?["labels"] = .mapping(.init(own.map { ($0.key, $0.value) }))
            if document.kind == "ConfigMap" {
                // kustomize gives its own no labels.
                result.documents[index].node = document.node.without(["metadata", "labels"])
            }
            guard document.kind == "DaemonSet", document.name == "bulkhead-http" else { continue }
            let annotations = document.node["spec"]?["template"]?["metadata"]?["annotations"]?.mapping
            #expect(annotations?.keys.map(\.string) == ["checksum/configuration"])
            let place = ["spec", "template", "metadata", "annotations"]
            result.documents[index].node = result.documents[index].node.without(place)
        }
        return result
    }

    private func expectSame(_ chart: Kustomization, _ kustomization: Kustomization) throws {
        let (ours, theirs) = (try chart.canonical, try kustomization.canonical)
        #expect(Set(ours.keys) == Set(theirs.keys))
        for (name, object) in theirs { #expect(ours[name] == object, "\(name)") }
    }

    @Test func defaultsAreWhatKustomizeApplies() throws {
        try expectSame(rendered(), Kustomization(Self.deploy))
    }

    /// Each component is a value, alone and with the others.
    @Test(arguments: [
        (["requests"], "requests: {enabled: true}"),
        (["monitoring"], "monitoring: {enabled: true}"),
        (["services"], "services: {enabled: true}"),
        (["requests", "network-policy"], "requests: {enabled: true, networkPolicy: true}"),
        (
            ["services", "requests", "network-policy", "monitoring"],
            "{services: {enabled: true}, requests: {enabled: true, networkPolicy: true}, monitoring: {enabled: true}}"
        ),
    ]) func valuesAreComponents(components: [String], values: String) throws {
        let kustomization = try Kustomization(Self.deploy, adding: components.map { Self.deploy.appending(path: $0) })
        try expectSame(rendered(values), kustomization)
    }

    /// The component mounts a ConfigMap that users generate; the chart makes it of a value.
    @Test func guardrailsAreMountedAsByTheComponent() throws {
        let component = try Kustomization(Self.deploy, adding: [Self.deploy.appending(path: "guardrails")])
        let chart = try rendered("guardrails: {metadata.yaml: \"# none\\n\", more.yaml: ''}")
        let map = try chart.only("ConfigMap", named: "bulkhead-guardrails")
        #expect(map.node["data"]?["metadata.yaml"]?.string == "# none\n" && map.node["data"]?.mapping?.count == 2)
        var rest = chart
        rest.documents.removeAll { $0.kind == "ConfigMap" }
        try expectSame(rest, component)
        let volume = try component.pod()["volumes"]?.sequence?.first { $0["configMap"] != nil }
        #expect(volume?["configMap"]?["name"]?.string == map.name)
    }

    /// What removes the daemon stands in its place; accounts and rights go with `helm uninstall`.
    @Test func uninstallingIsTheSame() throws {
        let removal = try Kustomization(Self.deploy.appending(path: "uninstall"))
        let chart = try rendered("uninstall: true")
        let name = "DaemonSet kube-system/bulkhead"
        #expect(try chart.canonical[name] == removal.canonical[name])
        #expect(chart.documents.count == 4)
    }

    /// What cleans nodes that were taken out is next to the daemon.
    @Test func cleaningNodesIsTheSame() throws {
        var all = try Kustomization(Self.deploy)
        all.documents += try Kustomization(Self.deploy.appending(path: "uninstall-node")).documents
        try expectSame(rendered("uninstallDisabledNodes: true"), all)
        // An affinity of one's own is instead of the chart's.
        let chart = try rendered("daemon: {affinity: {nodeAffinity: {}}}")
        #expect(try chart.pod()["affinity"]?["nodeAffinity"]?.mapping?.isEmpty == true)
    }

    /// With what cleans nodes, an affinity of one's own must keep the daemon off them.
    @Test(arguments: [
        ("{uninstallDisabledNodes: true}", true), ("{daemon: {affinity: {podAffinity: {}}}}", true),
        ("{uninstallDisabledNodes: true, daemon: {affinity: {}}}", true),
        ("{uninstallDisabledNodes: true, daemon: {affinity: {podAffinity: {}}}}", false),
        (Self.affinity("[{key: bulkhead.dev/disabled, operator: NotIn, values: ['true']}]"), true),
        (Self.affinity("[{key: zone, operator: In, values: [a]}]"), false),
        (Self.affinity("[{key: bulkhead.dev/disabled, operator: In, values: ['true']}]"), false),
        (Self.affinity("[{key: bulkhead.dev/disabled, operator: NotIn, values: ['false']}]"), false),
    ]) func cleaningKeepsOffTheDaemon(values: String, isAllowed: Bool) throws {
        let text = try String(contentsOf: Self.folder.appending(path: "values.schema.json"), encoding: .utf8)
        #expect(SchemaConditions.hold(try HelmValue(yaml: values), try HelmValue(yaml: text)) == isAllowed)
    }

    private static func affinity(_ expressions: String) -> String {
        "{uninstallDisabledNodes: true, daemon: {affinity: {nodeAffinity: "
            + "{requiredDuringSchedulingIgnoredDuringExecution: "
            + "{nodeSelectorTerms: [{matchExpressions: \(expressions)}]}}}}}"
    }

    /// The address of the runbooks, by the replacement that README.md has and by a value.
    @Test func runbooksMayBeElsewhere() throws {
        let readme = try String(contentsOf: Self.deploy.appending(path: "README.md"), encoding: .utf8)
        let block = readme.components(separatedBy: "```yaml\n").first { $0.hasPrefix("configMapGenerator:") }
        let text = try #require(block?.components(separatedBy: "```").first)
        let overlay = try #require(try Yams.compose(yaml: text))
        let literal = try #require(overlay["configMapGenerator"]?.sequence?.first?["literals"]?.texts.first)
        let address = try #require(literal.wholeMatch(of: /url=(https:.+)/)).1
        let replacement = overlay["replacements"]?.sequence?.first
        #expect(replacement?["source"] == ["kind": "ConfigMap", "name": "runbooks", "fieldPath": "data.url"])
        let target = replacement?["targets"]?.sequence?.first
        #expect(target?["select"] == ["kind": "PrometheusRule", "name": "bulkhead"])
        #expect(target?["fieldPaths"]?.texts == ["spec.groups.*.rules.*.annotations.runbook_url"])
        #expect(target?["options"] == ["delimiter": "#"])
        func links(_ kustomization: Kustomization) throws -> [String] {
            let groups = try kustomization.only("PrometheusRule").node["spec"]?["groups"]?.sequence ?? []
            return groups.flatMap { $0["rules"]?.sequence.map(Array.init) ?? [] }
                .compactMap { $0["annotations"]?["runbook_url"]?.string }
        }
        let component = Self.deploy.appending(path: "monitoring")
        let usual = try links(Kustomization(Self.deploy, adding: [component]))
        #expect(usual.count > 20)
        let expected = usual.map { String(address) + $0[($0.firstIndex(of: "#") ?? $0.startIndex)...] }
        #expect(try links(rendered("monitoring: {enabled: true, runbookURL: '\(address)'}")) == expected)
        // It is a link: the chart puts it into YAML as it is.
        let schema = try String(contentsOf: Self.folder.appending(path: "values.schema.json"), encoding: .utf8)
        #expect(schema.contains(#""pattern": "^https?://[^\\s#]+$""#))
    }

    @Test func otherNamespacesAreNamedEverywhere() throws {
        let all =
            "{services: {enabled: true}, requests: {enabled: true, networkPolicy: true}, "
            + "monitoring: {enabled: true, dashboard: true}, guardrails: {a.yaml: ''}, uninstallDisabledNodes: true}"
        let chart = try HelmChart(Self.folder, values: all, namespace: "policy").documents()
        #expect(chart.count == 16)
        for document in chart {
            let text = try Yams.serialize(node: document.node)
            guard document.kind != "PrometheusRule", document.name != "bulkhead-dashboard" else { continue }
            #expect(!text.contains("kube-system"), "\(document.kind) \(document.name)")
        }
        var kustomization = try Kustomization(Self.deploy)
        kustomization.documents = chart
        let variables = try kustomization.pod().containers[0].variables
        #expect(variables["BULKHEADD_REQUEST_PROXY"] == "policy/bulkhead-http")
        #expect(try ProgramOptions("bulkheadd").refused(among: variables) == [])
        for document in chart {
            let shape = try #require(Shape.kinds["\(document.kind) \(document.node["apiVersion"]?.string ?? "")"])
            #expect(shape.problems(document.node, at: document.file) == [])
        }
    }

    @Test func valuesReachTheirPlaces() throws {
        let digest = "sha256:" + String(repeating: "a", count: 64)
        let values = """
            image: {repository: registry.example/bulkhead, digest: "\(digest)"}
            imagePullSecrets: [{name: registry}]
            options: {datapath: nftables, node-dns: [169.254.20.10, fd00::10], self-proof: 0, journal-bytes: 4194304}
            cni: {binDir: /usr/lib/cni, confDir: /etc/cni/other}
            metrics: {exposed: true}
            daemon:
              extraArgs: [--log-level=debug]
              affinity: {nodeAffinity: {}}
              tolerations: []
              priorityClassName: ""
              podLabels: {team: net}
              podAnnotations: {note: "1"}
            """
        var kustomization = try Kustomization(Self.deploy)
        kustomization.documents = try HelmChart(Self.folder, values: values).documents()
        let pod = try kustomization.pod()
        let container = pod.containers[0]
        #expect(container["image"]?.string == "registry.example/bulkhead@\(digest)")
        #expect(pod["imagePullSecrets"]?.sequence?.first?["name"]?.string == "registry")
        let variables = container.variables
        #expect(variables["BULKHEADD_DATAPATH"] == "nftables" && variables["BULKHEADD_INSTALL_CNI"] == "true")
        #expect(variables["BULKHEADD_NODE_DNS"] == "169.254.20.10,fd00::10")
        #expect(variables["BULKHEADD_SELF_PROOF"] == "0" && variables["BULKHEADD_JOURNAL_BYTES"] == "4194304")
        #expect(variables["BULKHEADD_METRICS_ADDRESS"] == ":9105" && container["args"]?.texts == ["--log-level=debug"])
        #expect(try ProgramOptions("bulkheadd").refused(among: variables) == [])
        let paths = Set((pod["volumes"]?.sequence ?? []).compactMap { $0["hostPath"]?["path"]?.string })
        #expect(paths.isSuperset(of: ["/usr/lib/cni", "/etc/cni/other"]))
        #expect(pod["tolerations"] == nil && pod["priorityClassName"] == nil && pod["affinity"] != nil)
        let metadata = try kustomization.only("DaemonSet").node["spec"]?["template"]?["metadata"]
        #expect(metadata?["labels"]?["team"]?.string == "net" && metadata?["annotations"]?["note"]?.string == "1")
    }

    /// Each value has a place in the schema, and each option of the daemon is there or given by the chart itself.
    @Test func theSchemaKnowsValuesAndOptions() throws {
        let text = try String(contentsOf: Self.folder.appending(path: "values.schema.json"), encoding: .utf8)
        let schema = try HelmValue(yaml: text)
        let values = try HelmValue(
            yaml: String(contentsOf: Self.folder.appending(path: "values.yaml"), encoding: .utf8))
        #expect(Self.problems(values, schema) == [])
        let wrong = try HelmValue(yaml: "{image: {tagg: a}, options: {datapath: iptables}, uninstall: maybe, more: 1}")
        #expect(Self.problems(wrong, schema).count == 4)
        guard case .map(let options)? = schema["properties"]?["options"]?["properties"] else {
            Issue.record("no options")
            return
        }
        let chartsOwn: Set = [
            "node-name", "in-cluster", "metrics-address", "guardrails", "request-user", "request-proxy",
            "request-socket", "socket", "bpffs", "cni-bin-dir", "cni-conf-dir", "cni-plugin",
            // Instead of an API server, or another one.
            "manifests", "kubeconfig", "context",
        ]
        let known = try ProgramOptions("bulkheadd")
        let all = Set(known.variables.variables.keys.map { String($0.dropFirst(2)) })
        #expect(chartsOwn.isDisjoint(with: options.keys) && chartsOwn.union(options.keys) == all)
        for (name, shape) in options {
            let isFlag = known.takesValue["--\(name)"] == false
            #expect(isFlag == (shape["type"] == .string("boolean")), "\(name)")
            #expect(shape["enum"] == known.words["--\(name)"].map { .list($0.map { .string($0) }) }, "\(name)")
        }
    }

    /// What of JSON Schema the chart's schema uses.
    private static func problems(_ value: HelmValue, _ schema: HelmValue, at path: String = "") -> [String] {
        if case .list(let words)? = schema["enum"] { return words.contains(value) ? [] : ["\(path) is none of these"] }
        switch (schema["type"]?.text, value) {
        case ("object", .map(let fields)):
            return fields.flatMap { key, value -> [String] in
                if let inner = schema["properties"]?[key] { return problems(value, inner, at: "\(path).\(key)") }
                switch schema["additionalProperties"] {
                case .bool(false): return ["\(path).\(key) is not known"]
                case .some(let inner): return problems(value, inner, at: "\(path).\(key)")
                case nil: return []
                }
            }
        case ("array", .list(let items)):
            return items.flatMap { item in schema["items"].map { problems(item, $0, at: path) } ?? [] }
        case ("string", .string), ("boolean", .bool), ("number", .integer), ("number", .float): return []
        default: return ["\(path) is another type"]
        }
    }

    /// The notes name what there is, and say what another namespace needs.
    @Test func notesAreText() throws {
        let notes = try HelmChart(Self.folder).text("NOTES.txt")
        #expect(notes.contains("kubectl -n kube-system rollout status daemonset/bulkhead"))
        #expect(!notes.contains("pod-security") && notes.contains("requests.enabled"))
        let other = try HelmChart(Self.folder, values: "requests: {enabled: true}", namespace: "policy").text(
            "NOTES.txt")
        #expect(other.contains("pod-security.kubernetes.io/enforce=privileged") && !other.contains("requests.enabled"))
        let last = try HelmChart(Self.folder, values: "uninstall: true").text("NOTES.txt")
        #expect(last.hasSuffix("helm uninstall bulkhead --namespace kube-system\n") && !last.contains("starts on"))
    }

    @Test func templatesThatAreWrongAreFound() {
        for text in ["{{ if .Values.a }}", "{{ .Values.a | nosuch }}", "{{ end }}", "{{ .Values.a", "{{ print (.a }}"] {
            #expect(throws: HelmTemplate.Failure.self, "\(text)") {
                let template = try HelmTemplate(text)
                if case .output(.call(let function, let operands))? = template.parts.first,
                    try HelmFunctions.call(function, operands.map { _ in .null }) == nil
                {
                    throw HelmTemplate.Failure(description: function)
                }
            }
        }
    }

    /// The archive is the same each time, and its templates are those of the manifests.
    @Test func theChartIsUpToDate() throws {
        let script = Kustomization.repository.appending(path: "scripts/chart").path
        try NetProcess.run([script, "--check"])
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-chart-\(getpid())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let outputs = try (0..<2).map { _ in try NetProcess.run([script, "package", folder.path]) }
        #expect(outputs[0] == outputs[1] && outputs[0].contains("bulkhead-0.1.0.tgz "))
        let archive = folder.appending(path: "bulkhead-0.1.0.tgz").path
        let names = try NetProcess.run(["tar", "-tvzf", archive])
        #expect(names.contains("bulkhead/Chart.yaml") && names.contains("bulkhead/files/haproxy.cfg"))
        #expect(!names.contains(" -> "), "Helm follows no links in archives")
        let index = try HelmValue(yaml: String(contentsOf: folder.appending(path: "oci/index.json"), encoding: .utf8))
        guard case .list(let manifests)? = index["manifests"], let digest = manifests.first?["digest"]?.text else {
            Issue.record("no manifest")
            return
        }
        let blobs = folder.appending(path: "oci/blobs/sha256")
        let manifest = try HelmValue(
            yaml: String(contentsOf: blobs.appending(path: String(digest.dropFirst(7))), encoding: .utf8))
        guard case .list(let layers)? = manifest["layers"], let layer = layers.first?["digest"]?.text else {
            Issue.record("no layer")
            return
        }
        let blob = blobs.appending(path: String(layer.dropFirst(7))).path
        #expect(try NetProcess.run(["sha256sum", blob]).hasPrefix(layer.dropFirst(7)))
        try NetProcess.run(["cmp", blob, archive])
    }
}

extension HelmValue {
    /// A field of a mapping.
    subscript(key: String) -> HelmValue? {
        guard case .map(let fields) = self else { return nil }
        return fields[key]
    }
}
