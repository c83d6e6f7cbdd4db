// SPDX-License-Identifier: Apache-2.0

/// The one style of all programs' messages: `error: what: why; what next`.
public enum CommandMessage {
    /// The argument parser's message in this style.
    public static func styled(_ message: String) -> String {
        let title = "Error: "
        guard message.hasPrefix(title) else { return message }
        var lines = message.dropFirst(title.count).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
        lines[0] = lowered(lines[0])
        for (parsers, ours) in [(". Did you mean ", "; did you mean "), (". Please provide one of ", "; use ")] {
            guard let place = lines[0].firstRange(of: parsers) else { continue }
            lines[0].replaceSubrange(place, with: ours)
            if lines[0].hasSuffix(".") { lines[0].removeLast() }
        }
        return "error: " + lines.joined(separator: "\n")
    }

    /// An acronym or a name in capitals at the beginning stays.
    private static func lowered(_ message: String) -> String {
        let letters = message.prefix(2)
        guard letters.count == 2, letters.first?.isUppercase == true, letters.last?.isUppercase == false else {
            return message
        }
        return message.prefix(1).lowercased() + message.dropFirst()
    }
}
