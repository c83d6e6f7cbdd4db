// SPDX-License-Identifier: Apache-2.0

/// The functions of a source file with their lengths: from the line of the name to the line of the closing brace.
struct FunctionLengths {
    struct Function: Equatable {
        let name: String
        /// From 1.
        let line: Int
        let lineCount: Int
    }

    private(set) var functions: [Function] = []
    private let tokens: [SourceTokens.Token]

    init(_ text: String, isSwift: Bool) {
        tokens = SourceTokens(text, isSwift: isSwift).tokens
        if isSwift { findSwift() } else { findC() }
    }

    private mutating func add(_ name: String, from first: Int, to last: Int) {
        let (start, end) = (tokens[first].line, tokens[last].line)
        functions.append(Function(name: name, line: start, lineCount: end - start + 1))
    }

    /// The index of the brace that closes the one at `index`.
    private func end(of index: Int) -> Int {
        var depth = 0
        for position in index..<tokens.count {
            if tokens[position].text == "{" { depth += 1 }
            if tokens[position].text == "}" { depth -= 1 }
            if depth == 0 { return position }
        }
        return tokens.count - 1
    }

    private static let declarations: Set = ["func", "init", "deinit", "subscript"]
    /// What comes after a declaration without a body, in a protocol.
    private static let others: Set = [
        "func", "init", "deinit", "subscript", "var", "let", "static", "mutating", "associatedtype", "}", ";",
    ]

    private mutating func findSwift() {
        for (index, token) in tokens.enumerated() where Self.declarations.contains(token.text) {
            // `.init(` and `self.init(` are calls.
            if index > 0, tokens[index - 1].text == "." { continue }
            guard let body = body(after: index) else { continue }
            let name = token.text == "func" ? tokens[index + 1].text : token.text
            add(name, from: index, to: end(of: body))
        }
    }

    /// The index of the brace that opens the body of the declaration at `index`.
    private func body(after index: Int) -> Int? {
        var depth = 0
        for position in tokens.indices.dropFirst(index + 1) {
            let text = tokens[position].text
            switch text {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return position
            default: if depth == 0, Self.others.contains(text) { return nil }
            }
            if depth < 0 { return nil }
        }
        return nil
    }

    /// At the outermost level, a brace behind a parenthesis opens a function.
    private mutating func findC() {
        var (start, index) = (0, 0)
        while index < tokens.count {
            switch tokens[index].text {
            case ";": start = index + 1
            case "{":
                let last = end(of: index)
                if index > 0, tokens[index - 1].text == ")",
                    let parenthesis = tokens[start..<index].firstIndex(where: { $0.text == "(" }), parenthesis > start
                {
                    add(tokens[parenthesis - 1].text, from: start, to: last)
                    start = last + 1
                }
                index = last
            default: break
            }
            index += 1
        }
    }
}
