// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle

extension World {
    /// The world as Kubernetes manifests, and what else a person needs to see a failure again.
    public func report(of flow: Flow) -> String {
        var text = "# seed \(seed), decided on \(nodeName), flow: \(flow)\n"
        if settings != OracleSettings() {
            text += "# the node's own addresses: \(settings.localAddresses), its name server: \(settings.nodeDNS), "
            text += "NetworkPolicy enforced on own node: \(settings.enforcesNetworkPolicyOnOwnNode)\n"
        }
        for policy in tierPolicies {
            for rule in policy.ingress + policy.egress where !rule.unknown.isEmpty {
                text += "# a rule of \(policy.metadata.name) has parts that no manifest can say: \(rule)\n"
            }
        }
        for policy in authorizationPolicies where policy != policy.writable {
            text += "# \(policy.metadata.name) has parts that no manifest can say: \(policy)\n"
        }
        return text + yaml
    }

    /// The objects as a multi-document manifest.
    public var yaml: String { KubernetesYAML.text(of: objects) }
}

/// Writes objects as Kubernetes YAML, so that what the tests found can be fed to the command line.
public enum KubernetesYAML {
    public static func text(of objects: [KubernetesObject]) -> String {
        objects.map { "---\n\(document($0))" }.joined()
    }

    private static func document(_ object: KubernetesObject) -> String {
        var lines = YAMLLines()
        lines.add("apiVersion: \(object.kind.apiVersion)")
        lines.add("kind: \(object.kind.rawValue)")
        switch object {
        case .pod(let pod):
            lines.add(
                metadata: pod.metadata,
                annotations: pod.staticUID.isEmpty ? [:] : ["\(Pod.mirrorAnnotation)": pod.staticUID])
            lines.add(pod: pod)
        case .namespace(let namespace): lines.add(metadata: namespace.metadata)
        case .node(let node):
            lines.add(metadata: node.metadata)
            lines.add(node: node)
        case .networkPolicy(let policy):
            lines.add(metadata: policy.metadata, annotations: annotations(policy.enforcement))
            lines.add(policy: policy)
        case .authorizationPolicy(let policy):
            lines.add(metadata: policy.metadata, annotations: annotations(policy.enforcement))
            lines.add(authorizationPolicy: policy)
        case .tierPolicy(let policy):
            lines.add(metadata: policy.metadata, annotations: annotations(policy.enforcement))
            lines.add(tierPolicy: policy)
        }
        return lines.text
    }

    private static func annotations(_ enforcement: Enforcement) -> [String: String] {
        enforcement == .audit ? [Enforcement.annotation: enforcement.rawValue] : [:]
    }
}

/// Lines of YAML with their indentation. All words are quoted: `true`, `yes` and numbers must stay text.
struct YAMLLines {
    var text = ""

    mutating func add(_ line: String, _ depth: Int = 0) {
        text += String(repeating: "  ", count: depth) + line + "\n"
    }

    func quoted(_ word: String) -> String { "\"\(word)\"" }

    func list(_ words: [String]) -> String { "[\(words.map(quoted).joined(separator: ", "))]" }

    mutating func add(metadata: ObjectMeta, annotations: [String: String] = [:]) {
        add("metadata:")
        add("name: \(quoted(metadata.name))", 1)
        if !metadata.namespace.isEmpty { add("namespace: \(quoted(metadata.namespace))", 1) }
        if !metadata.uid.isEmpty { add("uid: \(quoted(metadata.uid))", 1) }
        if metadata.createdAt != 0 { add("creationTimestamp: \(quoted(timestamp(metadata.createdAt)))", 1) }
        if !annotations.isEmpty { add("annotations:", 1) }
        for (key, value) in annotations { add("\(quoted(key)): \(quoted(value))", 2) }
        guard !metadata.labels.isEmpty else { return }
        add("labels:", 1)
        for (key, value) in metadata.labels.sorted(by: { $0.key < $1.key }) {
            add("\(quoted(key)): \(quoted(value))", 2)
        }
    }

    /// RFC 3339 in UTC, from seconds since 1970 (days to date by Gregorian cycles of 400 years).
    private func timestamp(_ seconds: Int64) -> String {
        var days = seconds / 86400
        let rest = seconds % 86400
        func leap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
        var year: Int64 = 1970
        while days >= (leap(year) ? 366 : 365) {
            days -= leap(year) ? 366 : 365
            year += 1
        }
        var month = 0
        let lengths: [Int64] = [31, leap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        while days >= lengths[month] {
            days -= lengths[month]
            month += 1
        }
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(year)-\(two(Int64(month) + 1))-\(two(days + 1))"
        return "\(date)T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))Z"
    }

    mutating func add(node: Node) {
        add("status:")
        add(node.addresses.isEmpty ? "addresses: []" : "addresses:", 1)
        for address in node.addresses {
            add("- type: InternalIP", 1)
            add("address: \(quoted("\(address)"))", 2)
        }
    }

    mutating func add(pod: Pod) {
        add("spec:")
        if !pod.nodeName.isEmpty { add("nodeName: \(quoted(pod.nodeName))", 1) }
        if pod.serviceAccountName != Pod.defaultServiceAccount {
            add("serviceAccountName: \(quoted(pod.serviceAccountName))", 1)
        }
        if pod.hostNetwork { add("hostNetwork: true", 1) }
        // A name is unique within a container, so each further port of one name gets a container of its own.
        var containers: [[NamedPort]] = [[]]
        for port in pod.namedPorts {
            if let free = containers.firstIndex(where: { !$0.contains { $0.name == port.name } }) {
                containers[free].append(port)
            } else {
                containers.append([port])
            }
        }
        add("containers:", 1)
        for (index, ports) in containers.enumerated() { add(container: "c\(index)", ports) }
        add("status:")
        add("phase: \(pod.phase.rawValue)", 1)
        add(addresses: pod.podIPs, "podIP")
        add(addresses: pod.hostIPs, "hostIP")
    }

    private mutating func add(container: String, _ ports: [NamedPort]) {
        add("- name: \(container)", 1)
        guard !ports.isEmpty else { return }
        add("ports:", 2)
        for port in ports {
            add("- name: \(quoted(port.name))", 2)
            add("protocol: \(port.ipProtocol)", 3)
            add("containerPort: \(port.number)", 3)
        }
    }

    private mutating func add(addresses: [IPAddress], _ field: String) {
        guard let first = addresses.first else { return }
        add("\(field): \(quoted("\(first)"))", 1)
        add("\(field)s:", 1)
        for address in addresses { add("- ip: \(quoted("\(address)"))", 1) }
    }

    mutating func add(policy: NetworkPolicy) {
        add("spec:")
        add("podSelector:", 1)
        add(selector: policy.podSelector, 2)
        add("policyTypes: \(list(policy.policyTypes.map(\.rawValue).sorted()))", 1)
        for (field, peers, rules) in [("ingress", "from", policy.ingress), ("egress", "to", policy.egress)]
        where !rules.isEmpty {
            add("\(field):", 1)
            for rule in rules { add(rule: rule, peers) }
        }
    }

    private mutating func add(rule: NetworkPolicyRule, _ field: String) {
        add(rule.peers.isEmpty ? "- \(field): []" : "- \(field):", 1)
        for peer in rule.peers { add(peer: peer) }
        guard !rule.ports.isEmpty else { return }
        add("ports:", 2)
        for port in rule.ports {
            add("- protocol: \(port.ipProtocol)", 2)
            switch port.port {
            case .any: break
            case .named(let name): add("port: \(quoted(name))", 3)
            case .range(let range):
                add("port: \(range.first)", 3)
                if range.last != range.first { add("endPort: \(range.last)", 3) }
            }
        }
    }

    private mutating func add(peer: NetworkPolicyPeer) {
        switch peer {
        case .ipBlock(let cidr, let except):
            add("- ipBlock:", 2)
            add("cidr: \(quoted("\(cidr)"))", 4)
            if !except.isEmpty { add("except: \(list(except.map(\.description)))", 4) }
        case .pods(let namespaces, let pods):
            var bullet = "- "
            for (field, selector) in [("namespaceSelector", namespaces), ("podSelector", pods)] {
                guard let selector else { continue }
                add("\(bullet)\(field):", bullet == "- " ? 2 : 3)
                add(selector: selector, 4)
                bullet = ""
            }
        }
    }

    mutating func add(selector: LabelSelector, _ depth: Int) {
        if selector.matchLabels.isEmpty, selector.matchExpressions.isEmpty {
            add("{}", depth)
            return
        }
        if !selector.matchLabels.isEmpty {
            add("matchLabels:", depth)
            for (key, value) in selector.matchLabels.sorted(by: { $0.key < $1.key }) {
                add("\(quoted(key)): \(quoted(value))", depth + 1)
            }
        }
        guard !selector.matchExpressions.isEmpty else { return }
        add("matchExpressions:", depth)
        for expression in selector.matchExpressions {
            add("- key: \(quoted(expression.key))", depth)
            add("operator: \(expression.operator.rawValue)", depth + 1)
            if !expression.values.isEmpty { add("values: \(list(expression.values))", depth + 1) }
        }
    }
}
