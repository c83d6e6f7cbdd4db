// SPDX-License-Identifier: Apache-2.0
import Testing

/// The parser behind ``TidyTests/functionsAreShort()`` on samples of what it has to see through.
@Suite struct FunctionLengthsTests {
    private func found(_ text: String, isSwift: Bool = true) -> [String] {
        FunctionLengths(text, isSwift: isSwift).functions.map { "\($0.name) \($0.line) \($0.lineCount)" }
    }

    @Test func swift() {
        let text = #"""
            protocol P { func none(_ value: Int) -> Int; init(); var short: Int { get } }
            struct S {
                // func comment() { /* { */
                /* { /* nested */ */
                func brace() -> String { "}" + "\(pair { "}" })" + #"}""# }

                init(_ done: () -> Void = { }, at: Int) {
                    self.init()
                    _ = text.firstMatch(of: /"{ ?([0-9]+)\/"/)
                }
                static func < (a: Self, b: Self) -> Bool {
                    func inner() {
                        _ = .init(a / b / 2)
                    }
                    let body = """
                        } func text() {
                        """
                    return true
                }
                func last() throws(Failure) -> [Int]
                where T == Int {
                }
            }
            """#
        #expect(found(text) == ["brace 5 1", "init 7 4", "< 11 9", "inner 12 3", "last 20 3"])
    }

    @Test func c() {
        let text = #"""
            #define OPEN(x) do { \
                x(); } while (0)
            struct place { int index; };
            static const struct place none = {0};
            static __always_inline int walk(struct ctx *c, int (*next)(void))
            {
                if (c->mark == '{') { return 1; }
                return next();
            }
            SEC("tcx/ingress")
            int in(void) { return walk(0, "}"); }
            """#
        #expect(
            found(text, isSwift: false).map { $0.split(separator: " ").dropFirst().joined(separator: " ") } == [
                "5 5", "10 2",
            ])
    }
}
