// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests
import Testing
import WorldKit

@Suite struct ManifestReaderTests {
    /// The first example of the OWASP page on network segmentation, as it is published.
    private static let published = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: deny-backend-egress
          namespace: default

        spec:
            podSelector:
            matchLabels:
              tier: backend
              policyTypes:
              - Egress
              egress:
              - to:
                 - podSelector:
                matchLabels:
                tier: backend
        """

    @Test func publishedExampleIsRefusedWithItsIntent() throws {
        let document = try #require(read(Self.published, file: "deny.yaml").first)
        #expect(document.decoded.objects.isEmpty)
        #expect(
            document.decoded.errors.map(\.description) == [
                "deny.yaml:9:5: document 1: spec.matchLabels: unknown field: matchLabels is next to "
                    + "spec.podSelector, not inside it (hint: indent matchLabels under podSelector; as written "
                    + "podSelector is empty and would select every pod)",
                "deny.yaml:12:7: document 1: spec.matchLabels.policyTypes: must be a string (a label value), is a list "
                    + "(hint: policyTypes belongs directly under spec: give it the indentation of podSelector)",
                "deny.yaml:14:7: document 1: spec.matchLabels.egress: must be a string (a label value), is a list "
                    + "(hint: egress belongs directly under spec: give it the indentation of podSelector)",
            ])
        #expect(document.decoded.keys == [key(.networkPolicy, "deny-backend-egress", namespace: "default")])
    }

    /// The same slip one step further down, and labels that took in what follows them.
    @Test func likeMistakes() {
        let peer = policy("p") + "  egress:\n  - to:\n    - podSelector:\n      matchLabels:\n        a: b\n"
        let peerErrors = read(peer).flatMap(\.decoded.errors)
        #expect(peerErrors.map(\.path.description) == ["spec.egress[0].to[0].matchLabels", "spec.egress[0].to[0]"])
        #expect(peerErrors.first?.hint?.contains("indent matchLabels under podSelector; as written") == true)

        let swallowed = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: p}
            spec:
              podSelector:
                matchLabels:
                  app: api
                  policyTypes:
                  - Egress
            """
        let errors = read(swallowed).flatMap(\.decoded.errors)
        #expect(errors.map(\.path.description) == ["spec.podSelector.matchLabels.policyTypes"])
        #expect(errors.first?.hint?.contains("directly under spec") == true)
    }

    @Test func documentsStandAlone() {
        let documents = read(
            "# head\n---\n" + pod("a") + "---\n# nothing\n---\n" + "kind: [\n--- # third\n" + pod("b") + "...\n---\n"
                + "apiVersion: v1\nkind: Pod\nmetadata: {name: B}\n")
        #expect(documents.map(\.index) == [1, 3, 4, 5])
        #expect(documents.map { $0.decoded.objects.map(\.key.name) } == [["a"], [], ["b"], []])
        let errors = documents.flatMap(\.decoded.errors)
        #expect(errors.map(\.document) == [3, 5])
        #expect(errors[0].reason.hasPrefix("malformed YAML"))
        #expect(errors[0].line == 10)
        #expect([errors[1].line, errors[1].column] == [20, 18])
    }

    @Test(arguments: [
        ("", 0), ("\n\n# only a comment\n", 0), ("---\n---\n", 0), ("%YAML 1.1\n---\n", 0), ("null\n", 0), ("~", 0),
        ("\u{feff}" + pod("a"), 1), ("%YAML 1.1\n---\n" + pod("a"), 1), (pod("a").replacing("\n", with: "\r\n"), 1),
        (pod("a").replacing("\n", with: "\r"), 1), ("---\r\n" + pod("a") + "---\r\n" + pod("b"), 2),
        (pod("a") + "...\n---\n" + pod("b"), 2),
        ("{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}", 1),
        ("---\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}\n---\n" + pod("b"), 2),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}}", 1),
    ])
    func streams(text: String, count: Int) {
        let documents = read(text)
        #expect(documents.flatMap(\.decoded.errors).map(\.description) == [])
        #expect(documents.flatMap(\.decoded.objects).count == count)
    }

    @Test func blockTextsMayHoldAnythingButMarkers() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  x: |\n    ---\n    ----\n"
        #expect(read(text + "---\n" + pod("a")).map(\.index) == [1, 2])
        #expect(read(text).flatMap(\.decoded.errors).isEmpty)
    }

    @Test(arguments: [
        ("kind: Pod\nkind: Pod\n", "t.yaml:1:1: document 1: duplicate key 'kind'"),
        ("a: 1\non: 1\n\"true\": 2\n", "t.yaml:3:1: document 1: duplicate key 'true'"),
        ("a:\n\tb: 1\n", "indent with spaces, not tabs"), ("a: b: c\n", "malformed YAML: mapping values"),
        ("a: [1, 2\n", "malformed YAML"), ("a: *nothing\n", "undefined alias"), ("a: &x [*x]\n", "undefined alias"),
        ("? [a]\n: b\n", "a key must be a string"), ("~: b\n", "a key must not be null"),
        ("a: !!int x\n", "does not fit"),
        ("a: !thing x\n", "does not fit"), ("a: !!seq {}\n", "does not fit"), ("a: \"\\xZZ\"\n", "malformed YAML"),
        ("a: \u{1}\n", "malformed YAML: control characters are not allowed"), ("a: 'x\n", "malformed YAML"),
        ("<<: 1\n", "'<<' needs a mapping"), ("- a\n", "must be a mapping, is a list"), ("text\n", "must be a mapping"),
        ("a: \"\\ud800\"\n", "malformed YAML"), ("@a: b\n", "malformed YAML"), ("%FOO\n---\n%\n", "malformed YAML"),
        ("a: b\n...\nc: d\n", "begin each document with ---"),
    ])
    func wrong(text: String, reason: String) {
        let errors = read(text).flatMap(\.decoded.errors)
        #expect(errors.contains { $0.description.contains(reason) }, "\(errors)")
        #expect(read(text).flatMap(\.decoded.objects).isEmpty)
    }

    /// Unquoted scalars are what the Kubernetes tools make of them.
    @Test(arguments: [
        ("yes", "the boolean true"), ("on", "the boolean true"), ("y", "the boolean true"), ("N", "the boolean false"),
        ("Off", "the boolean false"), ("TRUE", "the boolean true"), ("~", "empty (null)"), ("null", "empty (null)"),
        ("1", "the number 1"), ("-1", "the number -1"), ("+1", "the number 1"), ("0x1F", "the number 31"),
        ("0777", "the number 511"), ("0o17", "the number 15"), ("0b101", "the number 5"), ("1_000", "the number 1000"),
        ("08", "the number 8"), ("1.0", "the number 1"), ("1.5", "the number 1.5"), (".5", "the number 0.5"),
        ("1e3", "the number 1000"), ("1.", "the number 1"), (".inf", "the number inf"), (".NaN", "the number nan"),
        ("99999999999999999999", "the number 1e+20"), ("!!bool yes", "the boolean true"),
    ])
    func resolvedAwayFromText(scalar: String, kind: String) {
        let errors = read("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {x: \(scalar)}\n").flatMap(
            \.decoded.errors)
        #expect(errors.map(\.reason) == ["must be a string (a label value), is \(kind)"])
    }

    @Test(arguments: [
        ("'yes'", "yes"), ("\"on\"", "on"), ("yEs", "yEs"), ("Yess", "Yess"), ("nUll", "nUll"), ("1.2.3", "1.2.3"),
        ("2024-01-01", "2024-01-01"), ("0x", "0x"), ("0xg", "0xg"), ("1a", "1a"), ("e1", "e1"), ("v1.0", "v1.0"),
        ("!!str 1", "1"), ("'1'", "1"), ("0b2", "0b2"), ("\"\"", ""), ("1-2", "1-2"),
    ])
    func text(scalar: String, value: String) {
        let documents = read("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {x: \(scalar)}\n")
        #expect(documents.flatMap(\.decoded.errors).map(\.description) == [])
        #expect(documents.flatMap(\.decoded.objects).first?.metadata.labels == ["x": value])
    }

    @Test func numbersAndQuotes() throws {
        func port(_ text: String) -> [String] {
            read(policy("p") + "  ingress: [{ports: [{port: \(text)}]}]\n").flatMap(\.decoded.errors).map(\.reason)
        }
        #expect(port("80") == [] && port("80.0") == [] && port("0x50") == [] && port("http") == [])
        #expect(port("\"80\"") == ["port name '80' must contain a letter"])
        #expect(port("80.5") == ["must be a whole number, is the number 80.5"])
        #expect(port("yes") == ["must be a whole number, is the boolean true"])
    }

    @Test func aliasesAndMergeKeys() {
        let text = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: &meta {name: p, namespace: shop}
            spec:
              podSelector: &all {}
              ingress:
              - &rule {from: [{podSelector: *all}], ports: [{port: 80}]}
              - *rule
              - <<: *rule
                ports: [{port: 81}]
              - <<: [{ports: []}, *rule]
            """
        let documents = read(text)
        #expect(documents.flatMap(\.decoded.errors).map(\.description) == [])
        guard case .networkPolicy(let policy)? = documents.first?.decoded.objects.first else {
            Issue.record("no policy")
            return
        }
        #expect(policy.ingress[1] == policy.ingress[0])
        #expect(policy.ingress[2].peers == policy.ingress[0].peers)
        #expect(policy.ingress.map(\.ports.count) == [1, 1, 1, 0])
    }

    /// Ten aliases a level: 10^9 values in a text of 500 bytes.
    @Test(.timeLimit(.minutes(1)), arguments: ["x: *z", "? *z\n: x", "? [*z]\n: x", "[*z, *z]: x"])
    func aliasBombs(last: String) {
        var text = "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        for (level, next) in zip("abcdefgh", "bcdefghz") {
            text += "\(next): &\(next) [\(Array(repeating: "*\(level)", count: 10).joined(separator: ","))]\n"
        }
        let errors = read(text + last + "\n").flatMap(\.decoded.errors)
        #expect(errors.count == 1)
        #expect(errors.first?.reason.contains("aliases") == true, "\(errors)")
    }

    @Test(.timeLimit(.minutes(1))) func depthAndSize() {
        for depth in [65, 500, 100_000] {
            let nested = "a: " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let reason = read(nested).flatMap(\.decoded.errors).first?.reason ?? ""
            #expect(reason.contains("nested deeper than 64") || reason.contains("Maximum nesting level"), "\(reason)")
            let block = String(repeating: "- ", count: min(depth, 10_000)) + "a"
            #expect(read(block).flatMap(\.decoded.errors).count == 1)
        }
        let small = ManifestReader(limits: ManifestLimits(fileSize: 10))
        #expect(small.read(Array(pod("a").utf8), file: "t.yaml").first?.decoded.errors.first?.document == 0)
    }

    @Test func notUTF8() {
        let bytes = Array(pod("a").utf8) + Array("---\na: ".utf8) + [0xff, 0x0a] + Array(("---\n" + pod("b")).utf8)
        let documents = ManifestReader().read(bytes, file: "t.yaml")
        #expect(documents.flatMap(\.decoded.objects).map(\.key.name) == ["a", "b"])
        #expect(documents.flatMap(\.decoded.errors).map(\.reason) == ["is not valid UTF-8"])
    }

    @Test func json() {
        let pod = #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#
        #expect(read(pod + "\n" + pod, file: "a.json").map(\.index) == [1, 2])
        let wrong = read("{\n  \"a\": }", file: "a.json").flatMap(\.decoded.errors)
        #expect(wrong.map(\.description) == ["a.json:2:8: document 1: malformed JSON: a value is expected, found '}'"])
        // YAML is not JSON.
        #expect(read("a: b", file: "a.json").flatMap(\.decoded.errors).count == 1)
    }

    @Test func sameTextIsNotReadAgain() {
        let first = read(pod("a") + "---\n" + "kind: [\n---\n" + policy("p", types: "[X]"))
        let text =
            "# new\n---\n" + pod("b") + "---\n" + pod("c") + "---\n" + "kind: [\n---\n" + policy("p", types: "[X]")
            + "---\n" + pod("a")
        let again = ManifestReader().read(Array(text.utf8), file: "t.yaml", reusing: first)
        // Reused or not, places and numbers are those of the new text.
        #expect(again == read(text))
    }

    /// Changes of a few bytes and lines: read or refused, never more than that, never slow.
    @Test(.timeLimit(.minutes(1))) func mutations() {
        let seed = Array(
            (Self.published + "\n---\n" + pod("a") + "---\n" + policy("p") + "  egress: &x\n  - to: [*x]\n").utf8)
        let pieces =
            [
                "\n", "---\n", "...", "- ", "? ", ": ", "&a ", "*a ", "<<", "!!", "!<", "%", "|", ">", "{", "}", "[",
                "]",
                "\"", "'", "\\x", "#", "\t", "\u{85}", "\u{feff}", "~", "0x", "1e9", "yes",
            ].map { Array($0.utf8) } + [[0], [0xff]]
        var random = SplitMix64(seed: 3)
        func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
        var objects = 0
        for _ in 0..<3000 {
            var bytes = seed
            for _ in 0...below(4) where !bytes.isEmpty {
                let place = below(bytes.count)
                switch below(4) {
                case 0: bytes.removeSubrange(place..<min(place + below(20), bytes.count))
                case 1: bytes.insert(contentsOf: pieces[below(pieces.count)], at: place)
                case 2: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                default:
                    bytes.insert(contentsOf: bytes[place..<min(place + below(60), bytes.count)], at: below(bytes.count))
                }
            }
            for document in ManifestReader().read(bytes, file: "t.yaml") {
                #expect(document.decoded.errors.isEmpty || document.decoded.objects.isEmpty)
                #expect(document.decoded.errors.allSatisfy { $0.line > 0 && !$0.reason.isEmpty })
                objects += document.decoded.objects.count
            }
        }
        #expect(objects > 1000)
    }
}
