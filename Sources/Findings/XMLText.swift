// SPDX-License-Identifier: Apache-2.0
import ControlViews

/// Text for XML 1.0 and HTML: markup in it is text, and characters that XML does not allow are shown in printed form.
public enum XMLText {
    /// Between tags.
    public static func content(_ text: String) -> String { escaped(text, isAttribute: false) }

    /// Inside double or single quotes.
    public static func attribute(_ text: String) -> String { escaped(text, isAttribute: true) }

    private static func escaped(_ text: String, isAttribute: Bool) -> String {
        var result = ""
        for scalar in VisibleText.escaped(text).unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n" where isAttribute: result += "&#10;"
            case "\t" where isAttribute: result += "&#9;"
            case "\u{fffe}", "\u{ffff}": result += "\\u" + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
