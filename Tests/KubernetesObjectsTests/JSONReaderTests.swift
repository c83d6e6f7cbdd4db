// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import Testing
import WorldKit

@Suite struct JSONReaderTests {
    private func read(_ text: String) throws -> DocumentNode { try JSONReader.read(Array(text.utf8)) }

    @Test(
        arguments: [
            ("null", .null), (" true ", .bool(true)), ("\tfalse\r\n", .bool(false)), ("0", .integer(0)),
            ("-0", .integer(0)),
            ("-12", .integer(-12)), ("9223372036854775807", .integer(.max)),
            ("9223372036854775808", .float(9_223_372_036_854_775_808)),
            ("1.5", .float(1.5)), ("1e2", .float(100)), ("1E-2", .float(0.01)), ("-1.25e+1", .float(-12.5)),
            ("0.0", .float(0)),
            (#""""#, .string("")), (#""a\"\\\/\b\f\n\r\tz""#, .string("a\"\\/\u{8}\u{c}\n\r\tz")),
            (#""\u0041\u00e9\u20AC""#, .string("Aé€")), (#""\ud83d\ude00""#, .string("😀")),
            (#""é😀""#, .string("é😀")),
            (#""\u0000""#, .string("\0")), ("[]", .sequence([])), ("{}", .mapping([])), ("[ ]", .sequence([])),
        ] as [(String, DocumentNode.Value)])
    func values(text: String, value: DocumentNode.Value) throws {
        #expect(try read(text).value == value)
    }

    @Test func placesAndOrder() throws {
        let node = try read("{\n  \"b\": [1,\n \"é\", {}],\n  \"a\": {\"é\": 2}\n}")
        guard case .mapping(let entries) = node.value else { throw UnexpectedKind() }
        #expect(entries.map(\.key) == ["b", "a"])
        #expect(
            entries.map { [$0.line, $0.column, $0.value.line, $0.value.column] } == [[2, 3, 2, 8], [4, 3, 4, 8]])
        guard case .sequence(let items) = entries[0].value.value else { throw UnexpectedKind() }
        #expect(items.map { [$0.line, $0.column] } == [[2, 9], [3, 2], [3, 7]])
        // Columns count characters, not bytes.
        #expect(node["a"]?["é"]?.column == 14)
    }

    @Test(arguments: [
        ("", 1, 1, "missing at the end"), ("  \n ", 2, 2, "missing"), ("{", 1, 2, "a key in quotes"),
        ("[", 1, 2, "missing"),
        ("{\"items\":[}", 1, 11, "a value is expected, found '}'"), ("[1,]", 1, 4, "a value is expected, found ']'"),
        ("{\"a\":1,}", 1, 8, "a key in quotes"), ("{\"a\" 1}", 1, 6, "':' is expected"),
        ("{a:1}", 1, 2, "a key in quotes"),
        ("[1 2]", 1, 4, "',' or ']'"), ("{\"a\":1 \"b\":2}", 1, 8, "',' or '}'"), ("1 2", 1, 3, "after the end"),
        ("{}x", 1, 3, "after the end"), ("{\"a\":1,\n\"a\":2}", 2, 1, "duplicate key \"a\""),
        ("tru", 1, 1, "found 't'"),
        ("nul", 1, 1, "a value"), ("truex", 1, 5, "after the end"), ("01", 1, 3, "begin with 0"),
        ("-", 1, 2, "a digit"),
        ("1.", 1, 3, "a digit"), (".5", 1, 1, "a value"), ("1e", 1, 3, "a digit"), ("1e+", 1, 4, "a digit"),
        ("+1", 1, 1, "a value"), ("1e999", 1, 6, "out of range"), ("NaN", 1, 1, "a value"), ("'a'", 1, 1, "a value"),
        ("\"a", 1, 3, "not closed"), ("\"a\n\"", 1, 3, "control character"), ("\"\\x\"", 1, 3, "unknown escape"),
        ("\"\\", 1, 3, "not closed"), ("\"\\u12\"", 1, 4, "four hexadecimal"),
        ("\"\\u12g4\"", 1, 6, "four hexadecimal"),
        ("\"\\ud800\"", 1, 8, "surrogate"), ("\"\\ud800\\u0041\"", 1, 14, "surrogate"),
        ("\"\\udc00\"", 1, 8, "surrogate"),
        ("\"\\udc00\\udc00\"", 1, 8, "surrogate"), ("\"\\ud800\\ud800\"", 1, 14, "surrogate"),
        ("// x\n1", 1, 1, "a value"), ("\u{feff}1", 1, 1, "byte 239"),
    ])
    func wrong(text: String, line: Int, column: Int, reason: String) throws {
        let error = try #require(throws: JSONError.self) { try read(text) }
        #expect([error.line, error.column] == [line, column])
        #expect(error.reason.contains(reason), "\(error)")
    }

    @Test func notUTF8() {
        for bytes: [UInt8] in [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]] {
            #expect(throws: JSONError.self) { try JSONReader.read([0x22] + bytes + [0x22]) }
        }
    }

    @Test func depth() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        _ = try JSONReader.read(nested(64))
        #expect(throws: JSONError.self) { try JSONReader.read(nested(65)) }
        #expect(throws: JSONError.self) { try JSONReader.read(Array(repeating: UInt8(ascii: "["), count: 5_000_000)) }
        // Depth is given back where a list closes.
        _ = try JSONReader.read(Array(("[" + Array(repeating: "[[]]", count: 100).joined(separator: ",") + "]").utf8))
    }

    @Test func size() {
        let limits = JSONReader.Limits(size: 4)
        #expect(throws: Never.self) { try JSONReader.read(Array("1234".utf8), limits: limits) }
        #expect(throws: JSONError.self) { try JSONReader.read(Array("12345".utf8), limits: limits) }
    }

    @Test func manyKeys() throws {
        let keys = (0..<1000).map { "\"k\($0)\": \($0)" }
        #expect(try read("{" + keys.joined(separator: ",") + "}")["k999"]?.value == .integer(999))
        #expect(throws: JSONError.self) { try read("{" + (keys + ["\"k500\": 1"]).joined(separator: ",") + "}") }
    }

    @Test func severalValues() throws {
        #expect(try JSONReader.readAll(Array(" ".utf8)).isEmpty)
        #expect(try JSONReader.readAll(Array("{}\n{}[1]".utf8)).count == 3)
        #expect(throws: JSONError.self) { try JSONReader.readAll(Array("{} {".utf8)) }
    }

    /// Any change of a few bytes of a valid text is read or refused, never more than that.
    @Test func mutations() throws {
        let seed = Array(
            """
            {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"\\u00e9😀"},
            "spec":{"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],
            "ports":[{"port":80,"endPort":9.5e1}]}]}}
            """
            .utf8)
        var random = SplitMix64(seed: 7)
        let interesting = Array("{}[]\",:\\u0dD8e-+.tfn \n".utf8) + [0, 0x80, 0xc3, 0xf0, 0xff]
        var read = 0
        for _ in 0..<30_000 {
            var bytes = seed
            for _ in 0...random.next() % 3 {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes.remove(at: place)
                case 1: bytes.insert(interesting[Int(random.next() % UInt64(interesting.count))], at: place)
                case 2: bytes[place] = interesting[Int(random.next() % UInt64(interesting.count))]
                default: bytes.removeSubrange(place...)
                }
                if bytes.isEmpty { bytes = seed }
            }
            do throws(JSONError) {
                let node = try JSONReader.read(bytes)
                read += 1
                let document = ObjectDecoder.decode(node, file: "x")
                #expect(document.errors.isEmpty || document.objects.isEmpty)
            } catch {
                #expect(error.line >= 1 && error.column >= 1)
            }
        }
        #expect(read > 100)
    }
}
