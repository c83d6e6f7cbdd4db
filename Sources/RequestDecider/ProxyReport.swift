// SPDX-License-Identifier: Apache-2.0

/// A line of HAProxy's log as deploy/requests/haproxy.cfg has it: what it refused on its own.
public enum ProxyReport {
    /// Why HAProxy refused a connection or request, from `refused <cause> <state> <status>` at the end of a line;
    /// nil: it did not, or a verdict says why.
    public static func reason(of line: some StringProtocol) -> String? {
        let words = String(line).split { $0 == " " || $0 == "\n" || $0 == "\0" }.suffix(4).map { String($0) }
        guard words.count == 4, words[0] == "refused" else { return nil }
        // HAProxy's state: who ended the session (client, server, proxy), and in which phase (R: the request).
        switch (words[1], words[2].prefix(2), words[3]) {
        case ("tls-", _, _): return "TLS, whose requests cannot be read"
        case ("silence-", _, _), ("--", "PR", "503"), ("--", "LR", "503"), ("-headers", "PR", "503"):
            return "the decider did not answer"
        case ("--", "CR", "400"), ("--", _, "408"): return "the request did not arrive as a whole"
        // What it cannot read, or not to its end, HAProxy refuses before there is a request, and logs no status.
        case ("--", "PR", "0"), ("--", _, "400"): return "not HTTP, or a header that is malformed or too large"
        case ("-allow", "PR", "400"), ("-headers", "PR", "400"):
            return "a request whose end or protocol servers read differently"
        default: return nil
        }
    }
}
