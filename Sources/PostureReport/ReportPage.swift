// SPDX-License-Identifier: Apache-2.0
import Reachability

/// The report as one HTML file that needs nothing else and may load nothing else.
public struct ReportPage: Sendable {
    let posture: Posture
    /// Of the program that makes it.
    let version: String
    let ranks: [WorkloadKey: WorkloadPosture]

    public init(_ posture: Posture, version: String) {
        self.posture = posture
        ranks = Dictionary(posture.workloads.map { ($0.key, $0) }) { first, _ in first }
        self.version = version
    }

    /// SHA-256 of the two texts, in base64. A browser runs and applies nothing else.
    static let scriptHash = "mAWtjMAZytkTLppPfDyqWzYitJ+eMzWZk4wfarP3H4Q="
    static let styleHash = "o/sZmjSl+4bw1Ul3KCgQ74lYjxhA7ZAf+D8Op3QtsLQ="

    /// The file.
    public var html: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-\(Self.scriptHash)'; \
        style-src 'sha256-\(Self.styleHash)'; base-uri 'none'; form-action 'none'">
        <meta name="referrer" content="no-referrer">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Network posture</title>
        <style>\(ReportStyle.text)</style>
        </head>
        <body>
        \(Self.frame)
        <script type="application/json" id="data">\(EmbeddedJSON.text(data))</script>
        <script>\(ReportScript.text)</script>
        </body>
        </html>

        """
    }

    private static let frame = """
        <a class="skip" href="#findings">Skip to the findings</a>
        <header>
        <h1>Network posture</h1>
        <p class="dim">Who can reach whom in the cluster, what an attacker gains by it, and policies that close it.</p>
        <ul class="tiles" id="tiles"></ul>
        <div id="notes"></div>
        </header>
        <main>
        <noscript><p>This page needs JavaScript, which reads only this file. The same findings are in
        <code>bulkheadctl report --format text</code>.</p></noscript>
        <div class="bar" role="search">
        <label>Search<br><input type="search" id="search" placeholder="workload, code, port"></label>
        <label>Namespace<br><select id="space"><option value="">all</option></select></label>
        <fieldset id="grades"><legend>Severity&#160;</legend></fieldset>
        </div>
        <section aria-labelledby="findings">
        <h2 id="findings" tabindex="-1">Findings</h2>
        <p class="dim" id="found" role="status"></p>
        <div id="groups"></div>
        </section>
        <section aria-labelledby="risk">
        <h2 id="risk">Workloads by what an attacker gains</h2>
        <div class="wide" tabindex="0" role="region" aria-labelledby="risk">
        <table><thead><tr><th scope="col">Workload</th><th scope="col" class="number">Score</th>
        <th scope="col">Because it</th></tr></thead><tbody id="ranks"></tbody></table></div>
        <div id="morerank"></div>
        </section>
        <section aria-labelledby="reach">
        <h2 id="reach" tabindex="-1">Reachability: <span id="focus" class="names">all namespaces</span></h2>
        <p><button type="button" id="back" hidden>Back to all namespaces</button> <span class="dim" id="cut"></span></p>
        <div class="wide" id="drawing" tabindex="0" role="region" aria-label="Picture"></div>
        <div id="why" role="region" aria-label="Reason" tabindex="-1" hidden></div>
        <div class="wide" id="pairs" tabindex="0" role="region" aria-label="Pairs"></div>
        </section>
        </main>
        """
}

/// JSON that stands inside a script element.
enum EmbeddedJSON {
    /// Nothing in it can end the element or start a comment, and no line separator is left as it is.
    static func text(_ json: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(json.utf8.count + json.utf8.count / 16)
        var (last, beforeLast): (UInt8, UInt8) = (0, 0)
        for byte in json.utf8 {
            switch byte {
            case UInt8(ascii: "<"): bytes += #"\u003c"#.utf8
            case UInt8(ascii: ">"): bytes += #"\u003e"#.utf8
            case UInt8(ascii: "&"): bytes += #"\u0026"#.utf8
            // The end of U+2028 and U+2029.
            case 0xa8 where beforeLast == 0xe2 && last == 0x80, 0xa9 where beforeLast == 0xe2 && last == 0x80:
                bytes.removeLast(2)
                bytes += (byte == 0xa8 ? #"\u2028"# : #"\u2029"#).utf8
            default: bytes.append(byte)
            }
            (beforeLast, last) = (last, byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
