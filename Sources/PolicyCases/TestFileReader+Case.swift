// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability
import Requests

extension TestFileReader {
    /// One test; nil if it has problems.
    mutating func testCase(_ node: DocumentNode, _ path: FieldPath) -> PolicyTestCase? {
        let before = errors.count
        let fields = self.fields(node, path, ["name", "allow", "deny", "rule"])
        let name = fields["name"].flatMap { text($0, path.appending(.field("name"))) }
        let expected: ReachClaim.Kind = fields["allow"] != nil ? .allow : .deny
        guard let flows = fields["allow"] ?? fields["deny"], (fields["allow"] == nil) != (fields["deny"] == nil) else {
            if errors.count == before { fail(node, path, "a test has either 'allow' or 'deny'") }
            return nil
        }
        let place = path.appending(.field(expected.rawValue))
        let parts = self.fields(flows, place, ["from", "to", "ports", "request"])
        var test = PolicyTestCase(
            name: "", line: node.line, expected: expected, from: ends("from", parts, flows, place),
            to: ends("to", parts, flows, place),
            ports: parts["ports"].map { ports($0, place.appending(.field("ports"))) } ?? PortSpan.all)
        if let node = parts["request"] { test.request = request(node, place.appending(.field("request"))) }
        if let node = fields["rule"] { test.rule = rule(node, path.appending(.field("rule"))) }
        if errors.count == before { check(test, flows, place) }
        test.name = name ?? test.claim
        return errors.count == before ? test : nil
    }

    /// Requests and rules are asked of single flows.
    private mutating func check(_ test: PolicyTestCase, _ node: DocumentNode, _ path: FieldPath) {
        guard test.request != nil || test.rule != nil else { return }
        let what = test.request != nil ? "request" : "rule"
        let isSingle = test.ports.allSatisfy {
            $0.count <= PolicyTestFile.endLimit
        }
        if !isSingle {
            fail(node, path, "'\(what)' needs 'ports' with single ports, at most \(PolicyTestFile.endLimit)")
        }
        let isConcrete = (test.from + test.to).allSatisfy { end in
            switch end {
            case .named: true
            case .network(let prefix): prefix.isHost
            case .pods, .outside, .nodes, .anywhere: false
            }
        }
        if !isConcrete { fail(node, path, "'\(what)' needs ends that are pods, workloads or addresses") }
        let isTCP = test.ports.allSatisfy { if case .ports(let ports) = $0 { ports.ipProtocol == .tcp } else { false } }
        if test.request != nil, !isTCP { fail(node, path, "only TCP carries requests") }
    }

    private mutating func ends(
        _ name: String, _ fields: [String: DocumentNode], _ parent: DocumentNode, _ path: FieldPath
    ) -> [ReachEnd] {
        guard let node = fields[name] else {
            fail(parent, path.appending(.field(name)), "is required")
            return []
        }
        var result: [ReachEnd] = []
        for (text, node, path) in texts(node, path.appending(.field(name))) {
            do throws(ReachTextError) {
                result.append(try ReachEnd(text, namespace: namespace))
            } catch {
                fail(node, path, error.description)
            }
        }
        return result
    }

    private mutating func ports(_ node: DocumentNode, _ path: FieldPath) -> [PortSpan] {
        var result: [PortSpan] = []
        for (text, node, path) in texts(node, path, numbers: true) {
            do throws(ReachTextError) {
                result += try PortSpan.read(text)
            } catch {
                fail(node, path, error.description)
            }
        }
        return PortSpan.normalized(result)
    }

    private mutating func request(_ node: DocumentNode, _ path: FieldPath) -> HTTPRequest? {
        let fields = self.fields(node, path, ["method", "path", "host", "headers"])
        var question = RequestQuestion()
        func read(_ name: String) -> String? { fields[name].flatMap { text($0, path.appending(.field(name))) } }
        question.method = read("method") ?? "GET"
        question.path = read("path")
        question.host = read("host")
        if let headers = fields["headers"] {
            let path = path.appending(.field("headers"))
            for entry in entries(headers, path) {
                guard let value = text(entry.value, path.appending(.field(entry.key))) else { continue }
                question.headers.append(.init(name: entry.key, value: value))
            }
        }
        do throws(RequestQuestionError) {
            return try question.request()
        } catch {
            fail(node, path, "\(error)")
            return nil
        }
    }

    /// `shop/redis`, or a mapping with more.
    private mutating func rule(_ node: DocumentNode, _ path: FieldPath) -> ExpectedRule? {
        if let text = node.string { return policy(text, node, path) }
        let fields = self.fields(node, path, ["policy", "kind", "direction", "rule"])
        guard let policyNode = fields["policy"] else {
            fail(node, path.appending(.field("policy")), "is required")
            return nil
        }
        guard let name = text(policyNode, path.appending(.field("policy"))),
            var rule = policy(name, policyNode, path.appending(.field("policy")))
        else { return nil }
        if let kind = fields["kind"] { rule.kind = text(kind, path.appending(.field("kind"))) }
        if let node = fields["direction"] {
            rule.direction = node.string.flatMap { Direction(rawValue: $0) }
            if rule.direction == nil { fail(node, path.appending(.field("direction")), "must be ingress or egress") }
        }
        if let node = fields["rule"] {
            switch node.value {
            case .integer(let number) where (1...1_000_000).contains(number): rule.rule = .position(Int(number))
            case .string(let name) where !name.isEmpty: rule.rule = .name(name)
            default: fail(node, path.appending(.field("rule")), "must be a rule's number, counted from 1, or its name")
            }
        }
        return rule
    }

    private mutating func policy(_ text: String, _ node: DocumentNode, _ path: FieldPath) -> ExpectedRule? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else {
            fail(node, path, "must be a policy: namespace/name, or the name of a cluster-wide one")
            return nil
        }
        return ExpectedRule(namespace: parts.count == 2 ? parts[0] : "", name: parts[parts.count - 1])
    }
}

extension PortSpan {
    /// The number of ports; of protocols without ports, more than may be listed.
    fileprivate var count: Int {
        switch self {
        case .ports(let ports): Int(ports.range.last) - Int(ports.range.first) + 1
        case .otherProtocols: .max
        }
    }
}
