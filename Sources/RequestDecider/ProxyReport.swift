// SPDX-License-Identifier: Apache-2.0

/// A line of HAProxy's log as deploy/requests/haproxy.cfg has it: what it refused on its own.
public enum ProxyReport {
    /// Why HAProxy refused a connection or request, from `refused <cause> <state> <status>` at the end of a line;
    /// nil: it did not, or a verdict says why.
    public static func reason(of line: some StringProtocol) -> String? {
        let words = String(line).split { $0 == " " || $0 == "\n" || $0 == "\0" }.suffix(4).map { String($0) }
        guard words.count == 4, words[0] == "refused" else { return nil }
        if words[1].hasPrefix("tls") { return "TLS, whose requests cannot be read" }
        guard words[1] == "--" else { return nil }
        // HAProxy's first letter of the state: who ended the session, the client, the server or the proxy.
        switch (words[3], words[2].first) {
        case ("400", "C"), ("408", "C"), ("408", _): return "the request did not arrive as a whole"
        case ("400", _): return "not HTTP, or a header that is malformed or too large"
        case ("503", "P"), ("503", "L"): return "the decider did not answer"
        default: return nil
        }
    }
}
