// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Foundation
import NetworkKit
import Testing
import Yams

/// The component `deploy/requests`: the request proxy beside the daemon.
@Suite struct RequestComponentTests {
    private static let name = "bulkhead-http"
    private let deploy: Kustomization
    private let whole: Kustomization
    private let pod: Node

    init() throws {
        let folder = Kustomization.repository.appending(path: "deploy")
        deploy = try Kustomization(folder)
        whole = try Kustomization(
            folder, adding: ["requests", "monitoring"].map { folder.appending(path: $0) })
        pod = try whole.pod(named: Self.name)
    }

    private func container(_ name: String) throws -> Node {
        try #require(pod.containers.first { $0["name"]?.string == name })
    }

    private func mounts(_ container: String) throws -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: try #require(try self.container(container)["volumeMounts"]?.sequence).map {
                ($0["name"]?.string ?? "", $0["mountPath"]?.string ?? "")
            })
    }

    private func volume(_ name: String) -> Node? { pod["volumes"]?.sequence?.first { $0["name"]?.string == name } }

    @Test func everyDocumentIsOfItsKind() throws {
        let own = ["ServiceAccount", "DaemonSet", "ConfigMap"]
        let monitoring = ["PodMonitor", "PodMonitor", "PrometheusRule"]
        #expect(whole.documents.map(\.kind) == deploy.documents.map(\.kind) + own + monitoring)
        for document in whole.documents {
            let kind = "\(document.kind) \(document.node["apiVersion"]?.string ?? "")"
            let shape = try #require(Shape.kinds[kind], "\(document.file): \(kind)")
            #expect(shape.problems(document.node, at: document.file) == [])
        }
    }

    @Test func whatRefersToSomethingFindsIt() throws {
        let set = try whole.only("DaemonSet", named: Self.name)
        let labels = set.node["spec"]?["template"]?["metadata"]?["labels"]
        #expect(set.node["spec"]?["selector"]?["matchLabels"] == labels && labels != nil)
        let account = try whole.only("ServiceAccount", named: Self.name)
        #expect(pod["serviceAccountName"]?.string == account.name && set.namespace == account.namespace)
        // By this account the daemon knows the proxy; it needs no rights in the cluster.
        let settings = RequestSettings()
        #expect(settings.proxyNamespace == set.namespace && settings.proxyAccount == account.name)
        #expect(pod["automountServiceAccountToken"]?.bool == false)
        let bound = whole.documents.flatMap { $0.node["subjects"]?.sequence.map(Array.init) ?? [] }
        #expect(!bound.contains { $0["name"]?.string == account.name })
        let volumes = Set((pod["volumes"]?.sequence ?? []).compactMap { $0["name"]?.string })
        let mounted = pod.containers.flatMap { $0["volumeMounts"]?.sequence.map(Array.init) ?? [] }
        #expect(Set(mounted.compactMap { $0["name"]?.string }) == volumes)
        let map = try whole.only("ConfigMap", named: Self.name)
        #expect(volume("configuration")?["configMap"]?["name"]?.string == map.name && map.namespace == set.namespace)
        #expect(pod.containers.map { $0["image"]?.string } == ["bulkhead:0.1.0", "bulkhead:0.1.0", "bulkhead:0.1.0"])
        let monitor = try whole.only("PodMonitor", named: Self.name).node["spec"]
        #expect(monitor?["selector"]?["matchLabels"] == labels)
        let endpoint = try #require(monitor?["podMetricsEndpoints"]?.sequence?.first)
        let port = try container("decider")["ports"]?.sequence?.first { $0["name"] == endpoint["port"] }
        #expect(try container("decider")["args"]?.texts == ["--metrics-address=:\(port?["containerPort"]?.int ?? 0)"])
    }

    /// The pod has a network of its own, and of the node only the directory of the socket that serves the proxy.
    @Test func theNodeIsOutOfReach() throws {
        #expect(pod["hostNetwork"] == nil && pod["hostPID"] == nil && pod["hostIPC"] == nil)
        let paths = (pod["volumes"]?.sequence ?? []).compactMap { $0["hostPath"]?["path"]?.string }
        let socket = ControlDefaults.requestSocketPath(beside: ControlDefaults.socketPath)
        let directory = String(socket[..<(try #require(socket.lastIndex(of: "/")))])
        #expect(paths == [directory])
        #expect(!ControlDefaults.socketPath.hasPrefix(directory + "/"))
        #expect(try mounts("decider")["requests"] == directory)
        #expect(try mounts("haproxy")["requests"] == nil && container("prepare")["volumeMounts"] == nil)
        let decide = try ProgramOptions(Self.name, "decide")
        #expect(decide.defaults["--requests-socket"] == socket)
        // The daemon can make it there.
        let daemon = try deploy.pod()
        let run = try #require(daemon["volumes"]?.sequence?.first { $0["name"]?.string == "run" })
        #expect(directory.hasPrefix((run["hostPath"]?["path"]?.string ?? "?") + "/"))
        let mount = daemon.containers[0]["volumeMounts"]?.sequence?.first { $0["name"]?.string == "run" }
        #expect(mount?["mountPath"] == run["hostPath"]?["path"] && mount?["readOnly"] == nil)
    }

    @Test func privilegesAreTheLeast() throws {
        #expect(pod["securityContext"]?["seccompProfile"]?["type"]?.string == "RuntimeDefault")
        for name in ["prepare", "decider", "haproxy"] {
            let context = try #require(try container(name)["securityContext"])
            #expect(context["privileged"] == nil && context["readOnlyRootFilesystem"]?.bool == true, "\(name)")
            #expect(context["allowPrivilegeEscalation"]?.bool == false, "\(name)")
            #expect(context["capabilities"]?["drop"]?.texts == ["ALL"], "\(name)")
            #expect(
                (context["capabilities"]?["add"]?.texts ?? []) == (name == "decider" ? [] : ["NET_ADMIN"]), "\(name)")
        }
        // The daemon lets the decider's user call.
        let decider = try #require(try container("decider")["securityContext"])
        let user = try #require(decider["runAsUser"]?.int)
        #expect(user > 0 && decider["runAsNonRoot"]?.bool == true)
        #expect(try whole.pod().containers[0].variables["BULKHEADD_REQUEST_USER"] == "\(user)")
        #expect(try deploy.pod().containers[0].variables["BULKHEADD_REQUEST_USER"] == nil)
        // Only settings that the kubelet allows everywhere; the ports are none that clients' kernels choose.
        let sysctls = try #require(pod["securityContext"]?["sysctls"]?.sequence)
        #expect(sysctls.compactMap { $0["name"]?.string } == ["net.ipv4.ip_local_port_range"])
        let range = try #require(sysctls.first?["value"]?.string).split(separator: " ").compactMap { Int($0) }
        #expect(range.count == 2 && range[0] > 1024 && range[0] < range[1] && range[1] < 32768)
    }

    @Test func optionsAreThoseOfThePrograms() throws {
        #expect(try ProgramOptions("bulkheadd").refused(among: whole.pod().containers[0].variables) == [])
        for name in ["prepare", "decider"] {
            let command = try #require(try container(name)["command"]?.texts)
            try #require(command.count == 2 && command[0] == "/usr/bin/\(Self.name)")
            let known = try ProgramOptions(Self.name, command[1])
            #expect(known.unknown(among: try container(name)["args"]?.texts ?? []) == [])
            #expect(known.unknown(among: ["--no-such-option"]) == ["--no-such-option"])
        }
        let haproxy = try #require(try container("haproxy")["command"]?.texts)
        #expect(haproxy == ["/usr/sbin/haproxy", "-db", "-f", "/etc/bulkhead-http/haproxy.cfg"])
        let image = try String(
            contentsOf: Kustomization.repository.appending(path: "scripts/package.d/root"), encoding: .utf8)
        #expect(image.contains("unpack haproxy './usr/sbin/haproxy'"))
    }

    /// The decider's readiness is whether it knows a policy; both probes reach the port of its metrics.
    @Test func probesFit() throws {
        let decider = try container("decider")
        #expect(decider["livenessProbe"]?["tcpSocket"]?["port"]?.string == "metrics")
        let ready = decider["readinessProbe"]?["httpGet"]
        #expect(ready?["port"]?.string == "metrics" && ready?["path"]?.string == "/healthz")
    }
}
