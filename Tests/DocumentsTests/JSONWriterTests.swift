// SPDX-License-Identifier: Apache-2.0
import Documents
import Testing

@Suite struct JSONWriterTests {
    @Test(arguments: [
        ("", #""""#), ("plain é😀", #""plain é😀""#), ("a\"b\\c/", #""a\"b\\c/""#), ("\n\t", #""\n\t""#),
        ("\r\0\u{1f}", #""\u000d\u0000\u001f""#), ("\u{7f}", #""\u007f""#), ("\u{80}\u{9f}", #""\u0080\u009f""#),
        ("\u{a0}\u{bf}", "\"\u{a0}\u{bf}\""),
    ])
    func strings(text: String, json: String) throws {
        #expect(JSONString.quoted(text) == json)
        let read = try JSONReader.read(Array(json.utf8))
        #expect(read.string == text)
    }

    @Test func valuesOfAllKinds() {
        let node = DocumentNode.object([
            ("z", .array([.integer(-3), .bool(true), .bool(false), DocumentNode(.null), DocumentNode(.float(1.5))])),
            ("a", .object([("b\"", .string("c"))])), ("empty", .object([])), ("none", .array([])),
            ("inf", DocumentNode(.float(.infinity))),
        ])
        #expect(
            node.json == #"{"z":[-3,true,false,null,1.5],"a":{"b\"":"c"},"empty":{},"none":[],"inf":null}"#)
        #expect(DocumentNode.object(["b": .integer(2), "a": .integer(1)]).json == #"{"a":1,"b":2}"#)
    }

    @Test func percentEncodingKeepsWhatItIsTold() {
        let text = "a/b: é-._~"
        #expect(PercentEncoding.encode(text, keeping: "-._~") == "a%2Fb%3A%20%C3%A9-._~")
        #expect(PercentEncoding.encode(text, keeping: "-._~:") == "a%2Fb:%20%C3%A9-._~")
        #expect(PercentEncoding.encode("\n", keeping: "") == "%0A")
    }
}

@Suite struct PlacedNodeTests {
    private func text(_ node: PlacedNode?, of json: String) throws -> String {
        String(decoding: Array(json.utf8)[try #require(node).range], as: UTF8.self)
    }

    @Test func valuesAreWhereTheyAreWritten() throws {
        let json = " { \"a\" : [ 1 , {\"b\":\"x,]}\\\"\"} , [] ] , \"c\":-1.5e3 ,\"d\\u0065\":null}\n"
        let placed = try JSONReader.readPlaced(Array(json.utf8))
        #expect(try text(placed, of: json) == json.dropFirst().dropLast(1).description)
        let items = try #require(placed["a"]?.items)
        #expect(try text(placed["a"], of: json) == #"[ 1 , {"b":"x,]}\""} , [] ]"#)
        #expect(try items.map { try text($0, of: json) } == ["1", #"{"b":"x,]}\""}"#, "[]"])
        #expect(try text(items[1]["b"], of: json) == #""x,]}\"""#)
        #expect(try text(placed["c"], of: json) == "-1.5e3")
        #expect(try text(placed["de"], of: json) == "null")
        #expect(placed["x"] == nil && placed.items == nil && items[0]["b"] == nil)
        let plain = try JSONReader.read(Array(json.utf8))
        #expect(placed.node == plain)
    }
}
