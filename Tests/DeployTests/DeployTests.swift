// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesWatch
import NetworkKit
import Testing
import Yams

/// What `kubectl apply -k deploy/` applies, and what takes it away again.
@Suite struct DeployTests {
    private static let root = Kustomization.repository
    private let deploy: Kustomization
    private let uninstall: Kustomization
    /// Including the resources of the Prometheus operator.
    private let monitored: Kustomization

    init() throws {
        let folder = Self.root.appending(path: "deploy")
        deploy = try Kustomization(folder)
        monitored = try Kustomization(folder, adding: [folder.appending(path: "monitoring")])
        uninstall = try Kustomization(Self.root.appending(path: "deploy/uninstall"))
    }

    private func only(_ kind: String, of kustomization: Kustomization) throws -> Kustomization.Document {
        try kustomization.only(kind)
    }

    private func pod(_ kustomization: Kustomization) throws -> Node { try kustomization.pod() }

    private func containers(_ pod: Node) -> [Node] { pod.containers }

    private func texts(_ node: Node?) -> [String] { node?.texts ?? [] }

    @Test func everyDocumentIsOfItsKind() throws {
        #expect(deploy.documents.map(\.kind) == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet"])
        #expect(uninstall.documents.map(\.kind) == ["DaemonSet"])
        let more = ["PodMonitor", "PodMonitor", "PrometheusRule"]
        #expect(monitored.documents.map(\.kind) == deploy.documents.map(\.kind) + more)
        for document in deploy.documents + uninstall.documents + monitored.documents {
            let kind = "\(document.kind) \(document.node["apiVersion"]?.string ?? "")"
            let shape = try #require(Shape.kinds[kind], "\(document.file): \(kind)")
            #expect(shape.problems(document.node, at: document.file) == [])
        }
    }

    @Test func misspelledFieldsAreFound() throws {
        var document = try only("DaemonSet", of: deploy).node
        let shape = try #require(Shape.kinds["DaemonSet apps/v1"])
        document["spec"]?["template"]?["spec"]?["hostNetworking"] = Node("true")
        document["spec"]?["template"]?["spec"]?["hostNetwork"] = Node("maybe")
        #expect(shape.problems(document, at: "x").count == 2)
    }

    @Test func whatRefersToSomethingFindsIt() throws {
        let account = try only("ServiceAccount", of: deploy)
        let role = try only("ClusterRole", of: deploy)
        let binding = try only("ClusterRoleBinding", of: deploy).node
        let set = try only("DaemonSet", of: deploy)
        #expect(binding["roleRef"]?["kind"]?.string == "ClusterRole")
        #expect(binding["roleRef"]?["name"]?.string == role.name)
        let subject = try #require(binding["subjects"]?.sequence?.first)
        #expect(subject["name"]?.string == account.name && subject["namespace"]?.string == account.namespace)
        #expect(try pod(deploy)["serviceAccountName"]?.string == account.name && set.namespace == account.namespace)
        // The one that takes it away stands in its place.
        let other = try only("DaemonSet", of: uninstall)
        #expect(other.name == set.name && other.namespace == set.namespace)
        for document in [set.node, other.node] {
            let labels = document["spec"]?["template"]?["metadata"]?["labels"]
            #expect(document["spec"]?["selector"]?["matchLabels"] == labels && labels != nil)
        }
        for pod in [try pod(deploy), try pod(uninstall)] {
            let volumes = Set((pod["volumes"]?.sequence ?? []).compactMap { $0["name"]?.string })
            let mounts = containers(pod).flatMap { $0["volumeMounts"]?.sequence.map(Array.init) ?? [] }
            #expect(Set(mounts.compactMap { $0["name"]?.string }) == volumes)
            for mount in mounts {
                let volume = pod["volumes"]?.sequence?.first { $0["name"]?.string == mount["name"]?.string }
                #expect(volume?["hostPath"]?["path"]?.string == mount["mountPath"]?.string, "the plugin's paths")
            }
            for container in containers(pod) { #expect(container["image"]?.string == "bulkhead:0.1.0") }
        }
    }

    /// What the client follows, and no more.
    @Test func rightsAreTheLeast() throws {
        var granted: [String: Set<String>] = [:]
        for rule in try only("ClusterRole", of: deploy).node["rules"]?.sequence ?? [] {
            for group in texts(rule["apiGroups"]) {
                for resource in texts(rule["resources"]) {
                    granted["\(group)/\(resource)", default: []].formUnion(texts(rule["verbs"]))
                }
            }
        }
        var needed = Dictionary(
            uniqueKeysWithValues: APIResource.all.map { ("\($0.group)/\($0.name)", Set(["list", "watch"])) })
        needed["/events"] = ["create"]
        #expect(granted == needed)
    }

    /// Questions about Services need a right that nothing else needs, and it is a component of its own.
    @Test func theRightToFindServices() throws {
        let folder = Self.root.appending(path: "deploy")
        let added = try Kustomization(folder, adding: [folder.appending(path: "services")]).documents
            .dropFirst(deploy.documents.count)
        #expect(added.map(\.kind) == ["ClusterRole", "ClusterRoleBinding"])
        for document in added {
            let shape = try #require(Shape.kinds["\(document.kind) \(document.node["apiVersion"]?.string ?? "")"])
            #expect(shape.problems(document.node, at: document.file) == [])
        }
        let (role, binding) = (try #require(added.first), try #require(added.last))
        let rules = (role.node["rules"]?.sequence ?? []).map { rule in
            [texts(rule["apiGroups"]), texts(rule["resources"]), texts(rule["verbs"])]
        }
        #expect(rules == [[[""], ["services"], ["list"]], [["discovery.k8s.io"], ["endpointslices"], ["list"]]])
        #expect(binding.node["roleRef"]?["name"]?.string == role.name)
        let (subject, account) = (binding.node["subjects"]?.sequence?.first, try only("ServiceAccount", of: deploy))
        #expect(subject?["name"]?.string == account.name && subject?["namespace"]?.string == account.namespace)
    }

    @Test func privilegesAreTheThreeCapabilities() throws {
        for pod in [try pod(deploy), try pod(uninstall)] {
            #expect(pod["hostNetwork"]?.bool == true && pod["priorityClassName"]?.string == "system-node-critical")
            #expect(pod["securityContext"]?["seccompProfile"]?["type"]?.string == "RuntimeDefault")
            for container in containers(pod) {
                let context = try #require(container["securityContext"])
                #expect(context["privileged"]?.bool == false && context["readOnlyRootFilesystem"]?.bool == true)
                #expect(context["allowPrivilegeEscalation"]?.bool == false)
                #expect(texts(context["capabilities"]?["drop"]) == ["ALL"])
                let runsDaemon = texts(container["command"]) == ["/usr/bin/bulkheadd"]
                let added = texts(context["capabilities"]?["add"])
                #expect(added == (runsDaemon ? ["BPF", "NET_ADMIN", "PERFMON"] : []))
            }
        }
    }

    /// The operator finds the pods, and on them the port where the daemon answers.
    @Test func metricsAreFound() throws {
        let monitor = try only("PodMonitor", of: monitored).node["spec"]
        let set = try only("DaemonSet", of: monitored)
        #expect(monitor?["selector"]?["matchLabels"] == set.node["spec"]?["template"]?["metadata"]?["labels"])
        #expect(texts(monitor?["namespaceSelector"]?["matchNames"]) == [set.namespace])
        let endpoints = try #require(monitor?["podMetricsEndpoints"]?.sequence)
        try #require(endpoints.count == 1)
        // Else Prometheus would rename the label `namespace` of our metrics, which says whose policy it was.
        #expect(endpoints[0]["path"]?.string == "/metrics" && endpoints[0]["honorLabels"]?.bool == true)
        let daemon = try #require(containers(try pod(monitored)).first)
        let port = try #require(daemon["ports"]?.sequence?.first { $0["name"] == endpoints[0]["port"] })
        let number = try #require(port["containerPort"]?.int)
        var expected = try #require(containers(try pod(deploy)).first).variables
        #expect(expected["BULKHEADD_METRICS_ADDRESS"] == "127.0.0.1:\(number)")
        expected["BULKHEADD_METRICS_ADDRESS"] = ":\(number)"
        #expect(daemon.variables == expected)
        let rules = try only("PrometheusRule", of: monitored)
        #expect(rules.namespace == set.namespace)
    }

    /// Kubernetes would take a patch for the wrong name as a new container.
    @Test func patchesThatDoNotFitAreFound() throws {
        let set = try only("DaemonSet", of: deploy).node
        func patch(_ container: String) throws -> Node {
            let text = "spec: {template: {spec: {containers: [{name: \(container), env: [{name: A, value: b}]}]}}}"
            return try #require(try Yams.compose(yaml: text))
        }
        #expect(throws: Kustomization.Failure.self) { _ = try Kustomization.merged(set, with: patch("bulkhead")) }
        let merged = try Kustomization.merged(set, with: patch("bulkheadd"))
        let container = merged["spec"]?["template"]?["spec"]?["containers"]?.sequence?.first
        #expect(container?.variables["A"] == "b" && container?.variables["BULKHEADD_IN_CLUSTER"] == "true")
    }

    @Test func optionsAreThoseOfTheDaemon() throws {
        let known = try ProgramOptions("bulkheadd")
        for pod in [try pod(deploy), try pod(uninstall), try pod(monitored)] {
            // Variables about a Service would be taken for options.
            #expect(pod["enableServiceLinks"]?.bool == false)
            for container in containers(pod) where texts(container["command"]) == ["/usr/bin/bulkheadd"] {
                #expect(known.unknown(among: texts(container["args"])) == [])
                #expect(known.refused(among: container.variables) == [])
            }
        }
        #expect(known.takesValue["--no-such-option"] == nil && known.takesValue["--in-cluster"] == false)
        let wrong = ["BULKHEADD_NO_SUCH": "1", "BULKHEADD_IN_CLUSTER": "yes", "BULKHEADD_CLEANUP": "true"]
        #expect(known.refused(among: wrong).count == 3)
    }

    /// What README.md says to patch where the CNI is elsewhere leads there, in the daemon and in what removes it.
    @Test func patchesOfTheReadmeFit() throws {
        let readme = try String(contentsOf: Self.root.appending(path: "deploy/README.md"), encoding: .utf8)
        let blocks = readme.components(separatedBy: "```yaml\n").dropFirst().compactMap {
            $0.components(separatedBy: "```").first
        }
        let patches = try blocks.flatMap { try Yams.compose(yaml: $0)?["patches"]?.sequence.map(Array.init) ?? [] }
        try #require(patches.count == 2)
        for kustomization in [deploy, uninstall] {
            let set = try only("DaemonSet", of: kustomization).node
            var pod = try #require(set["spec"]?["template"]?["spec"])
            for patch in patches {
                let patch = try #require(try Yams.compose(yaml: patch["patch"]?.string ?? ""))
                #expect(patch["kind"]?.string == "DaemonSet" && patch["metadata"]?["name"] == set["metadata"]?["name"])
                guard kustomization.documents.count > 1 || patch["spec"]?["template"]?["spec"]?["containers"] == nil
                else { continue }
                let merged = try Kustomization.merged(set, with: patch)["spec"]?["template"]?["spec"]
                pod = try Kustomization.merged(pod, with: try #require(merged))
            }
            let paths = (pod["volumes"]?.sequence ?? []).compactMap { $0["hostPath"]?["path"]?.string }
            #expect(paths.contains("/usr/lib/cni") && !paths.contains("/opt/cni/bin") && paths.count == 4)
            let known = try ProgramOptions("bulkheadd")
            for container in pod.containers { #expect(known.refused(among: container.variables) == []) }
        }
    }

    /// Probes ask where the daemon answers; its node's name is the pod's.
    @Test func probesAndEnvironmentFit() throws {
        let daemon = try #require(containers(try pod(deploy)).first)
        #expect(daemon.variables["BULKHEADD_METRICS_ADDRESS"] == "127.0.0.1:9105")
        let probes = ["startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"]
        for (name, path) in probes {
            let get = daemon[name]?["httpGet"]
            #expect(get?["host"]?.string == "127.0.0.1" && get?["port"]?.int == 9105 && get?["path"]?.string == path)
        }
        let variable = try #require(daemon["env"]?.sequence?.first)
        #expect(variable["name"]?.string == "BULKHEADD_NODE_NAME")
        #expect(variable["valueFrom"]?["fieldRef"]?["fieldPath"]?.string == "spec.nodeName")
    }

    /// The image has the programs that manifests name, and the libraries that these are linked to.
    @Test func theImageHasWhatIsRun() throws {
        let text = try String(contentsOf: Self.root.appending(path: "deploy/Containerfile"), encoding: .utf8)
        let manifest = try String(contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
        let scripts = Self.root.appending(path: "scripts/package.d")
        let programs = try String(contentsOf: scripts.appending(path: "programs"), encoding: .utf8)
        let root = try String(contentsOf: scripts.appending(path: "root"), encoding: .utf8)
        #expect(text.contains("scripts/package.d/programs /out && scripts/package.d/root /out /image"))
        #expect(text.components(separatedBy: "\nFROM ").last?.contains("COPY --from=build /image /\n") == true)
        for product in ["bulkheadd", "bulkheadctl", "bulkhead-cni", "bulkhead-http"] {
            #expect(manifest.contains(".executable(name: \"\(product)\"") && programs.contains(product))
        }
        let libraries = try ["bulkheadd", "bulkheadctl"]
            .map { try NetProcess.run(["ldd", try NetDaemon.executable($0)]) }.joined()
        for (library, package) in [
            ("libbpf.so.1", "libbpf1"), ("libmnl.so.0", "libmnl0"), ("libnftnl.so.11", "libnftnl11"),
            ("libz.so.1", "zlib1g"),
        ] {
            #expect(libraries.contains(library) && root.contains(package))
        }
        let copied = text.components(separatedBy: "\n").filter { $0.hasPrefix("COPY ") && !$0.contains("--from") }
        for name in copied.flatMap({ $0.split(separator: " ").dropFirst().dropLast() }) {
            #expect(FileManager.default.fileExists(atPath: Self.root.appending(path: String(name)).path), "\(name)")
        }
    }
}
