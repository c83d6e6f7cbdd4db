// SPDX-License-Identifier: Apache-2.0
import NetworkKit

/// Bytes by which a client tries to let the server read a request that the proxy does not see.
struct SmugglingRow: CustomStringConvertible {
    let description: String
    let bytes: [UInt8]
    /// Whether some server would find a denied request in the bytes as they are.
    var isTrick = true

    init(_ description: String, _ text: String, isTrick: Bool = true) {
        self.description = description
        bytes = text.latin1
        self.isTrick = isTrick
    }

    /// What must not reach the server.
    static let hidden = "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n"
    private static let post = "POST /ok HTTP/1.1\r\nHost: a\r\n"
    private static let get = "GET /ok HTTP/1.1\r\nHost: a\r\n"

    static let all = lengths + codings + lines + targets + upgrades

    /// Two lengths, or one that servers read in different ways.
    private static let lengths = [
        row("length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        row("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        row("the whole as a body or as chunks", "Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        row("two lengths", "Content-Length: \(hidden.utf8.count)\r\nContent-Length: 0\r\n\r\n"),
        row("two lengths, turned", "Content-Length: 0\r\nContent-Length: \(hidden.utf8.count)\r\n\r\n"),
        row("a list of lengths", "Content-Length: 0, 33\r\n\r\n"),
        row("a length with a sign", "Content-Length: +0\r\n\r\n"),
        row("a negative length", "Content-Length: -1\r\n\r\n"),
        row("a length with a space inside", "Content-Length: 0 33\r\n\r\n"),
        row("a length in hexadecimal", "Content-Length: 0x21\r\n\r\n"),
        row("a length with a comma", "Content-Length: 0,\r\n\r\n"),
        row("an empty length", "Content-Length:\r\n\r\n"),
        row("a length with a control character", "Content-Length: 0\u{b}\r\n\r\n"),
        row("a length of more than 64 bits", "Content-Length: 18446744073709551616\r\n\r\n"),
        row("a length of more than 64 bits, for three bytes", "Content-Length: 18446744073709551619\r\n\r\nabc"),
        row("a length of 32 bits and more", "Content-Length: 4294967296\r\n\r\n", isTrick: false),
        row("a length by another name", "Content_Length: 33\r\n\r\n"),
        row("a length after a name with a space", "Content-Length : 0\r\nContent-Length: 33\r\n\r\n"),
    ]

    /// Codings that only some servers take for chunks, and chunks that only some servers read to their end.
    private static let codings = [
        row("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        row("two codings, turned", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        row("chunked twice", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        row("a coding before chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        row("an unknown coding", "Transfer-Encoding: xchunked\r\nContent-Length: 33\r\n\r\n0\r\n\r\n"),
        row("an unknown coding without a length", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        row("chunked in quotes", "Transfer-Encoding: \"chunked\"\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row("chunked after a comma", "Transfer-Encoding: , chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row("chunked after a tab", "Transfer-Encoding:\tchunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row(
            "chunked after a control character",
            "Transfer-Encoding: \u{b}chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row("chunked in a folded line", "Transfer-Encoding:\r\n chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row("a coding after a name with a space", "Transfer-Encoding : chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row(
            "a coding after a name that begins with a space",
            " Transfer-Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row(
            "a coding by another name", "Transfer_Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n",
            isTrick: false),
        row(
            "a coding behind a null byte", "X: y\0\r\nTransfer-Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"
        ),
        row(
            "a coding behind a carriage return",
            "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        row("a coding behind a line feed", "X: y\nTransfer-Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\n"),
        SmugglingRow(
            "chunks in HTTP/1.0",
            "POST /ok HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n\(chunk(hidden))0\r\n\r\n"
        ),
        row("a chunk with an extension", "Transfer-Encoding: chunked\r\n\r\n0;a=b\r\n\r\n"),
        row("a chunk with a line feed in its extension", "Transfer-Encoding: chunked\r\n\r\n0;a=\nb\r\n\r\n"),
        row("a chunk with a space before its size", "Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n"),
        row("a chunk with 0x", "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n"),
        row("a chunk with a sign", "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n"),
        row(
            "a chunk of more than 64 bits", "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
            isTrick: false),
        row("a chunk of more than 32 bits", "Transfer-Encoding: chunked\r\n\r\n100000000\r\n\r\n", isTrick: false),
        row(
            "a chunk that is longer than its size", "Transfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n", isTrick: false
        ),
        row("chunks with line feeds alone", "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n"),
        row("a trailer that looks like a header", "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 33\r\n\r\n"),
    ]

    /// Ends of lines.
    private static let lines = [
        SmugglingRow("a target without a scheme", "GET secret?://x/ok HTTP/1.0\r\n\r\n"),
        SmugglingRow("an authority with a backslash", "GET http://a\\secret/../ok HTTP/1.0\r\n\r\n"),
        SmugglingRow("line feeds alone", "GET /ok HTTP/1.1\nHost: a\n\n" + hidden),
        SmugglingRow("an empty line of a line feed", "GET /ok HTTP/1.1\r\nHost: a\r\nX: y\n\n" + hidden),
        SmugglingRow("an empty line of carriage returns", "GET /ok HTTP/1.1\r\nHost: a\r\nX: y\r\r" + hidden),
        SmugglingRow(
            "a header's value with a request",
            "GET /ok HTTP/1.1\r\nHost: a\r\nX: y\r\r" + "GET /secret HTTP/1.1\r\n\r\n"),
        SmugglingRow("a folded line with a request", get + "X: y\r\n GET /secret HTTP/1.1\r\n\r\n", isTrick: false),
        SmugglingRow("a folded host", "GET /ok HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", isTrick: false),
        SmugglingRow("a first header that is folded", "GET /ok HTTP/1.1\r\n Host: a\r\n\r\n", isTrick: false),
        SmugglingRow("a header without a name", get + ": y\r\n\r\n" + hidden),
        SmugglingRow("a header without a colon", get + "GET /secret HTTP/1.1\r\n\r\n", isTrick: false),
        SmugglingRow("a space before the request", " " + get + "\r\n" + hidden),
        SmugglingRow("an empty line before the request", "\r\n" + get + "\r\n" + hidden),
        SmugglingRow("a null byte before the request", "\0" + get + "\r\n" + hidden),
    ]

    private static let targets = [
        SmugglingRow("no version", "GET /ok\r\n" + hidden),
        SmugglingRow("no version, denied", "GET /secret\r\n"),
        SmugglingRow("two targets", "GET /ok /secret HTTP/1.1\r\nHost: a\r\n\r\n", isTrick: false),
        SmugglingRow("a tab for a space", "GET\t/secret HTTP/1.1\r\nHost: a\r\n\r\n"),
        SmugglingRow("a carriage return in the line", "GET /ok\rGET /secret HTTP/1.1\r\nHost: a\r\n\r\n"),
        SmugglingRow("a null byte in the target", "GET /ok/../secret\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        SmugglingRow("an absolute target", "GET http://a/secret HTTP/1.1\r\nHost: a\r\n\r\n"),
        SmugglingRow("an absolute target of another host", "GET http://b/secret HTTP/1.1\r\nHost: a\r\n\r\n"),
        SmugglingRow("an absolute target of HTTPS", "GET https://a/secret HTTP/1.1\r\nHost: a\r\n\r\n"),
        SmugglingRow("a path behind a fragment", "GET /ok#/../../secret HTTP/1.1\r\nHost: a\r\n\r\n"),
        SmugglingRow("a version of HTTP/2", "GET /secret HTTP/2.0\r\nHost: a\r\n\r\n"),
        SmugglingRow("another protocol", "GET /secret ICAP/1.0\r\nHost: a\r\n\r\n"),
        SmugglingRow("another method by a header", get + "X-HTTP-Method-Override: DELETE\r\n\r\n" + hidden),
    ]

    /// What would open a channel in which nothing reads requests.
    private static let upgrades = [
        SmugglingRow("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + hidden),
        SmugglingRow("CONNECT of a path", "CONNECT /ok HTTP/1.1\r\nHost: a\r\n\r\n" + hidden),
        SmugglingRow(
            "HTTP/2 by upgrade",
            get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" + hidden),
        SmugglingRow("TLS by upgrade", get + "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n" + hidden),
        SmugglingRow("WebSocket that the server refuses", get + webSocket("websocket") + hidden),
        SmugglingRow("WebSocket or HTTP/2", get + webSocket("websocket, h2c") + hidden),
        SmugglingRow("WebSocket and HTTP/2", get + webSocket("websocket\r\nUpgrade: h2c") + hidden),
        SmugglingRow("WebSocket without Connection", get + "Upgrade: websocket\r\n\r\n" + hidden),
        SmugglingRow("HTTP/2's preface after a request", get + "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden),
        SmugglingRow("headers that hops drop", get + "Connection: Host, Content-Length\r\n\r\n" + hidden),
    ]

    /// A POST with these headers and this body, and behind it what must not reach the server.
    private static func row(_ description: String, _ rest: String, isTrick: Bool = true) -> SmugglingRow {
        SmugglingRow(description, post + rest + hidden, isTrick: isTrick)
    }

    private static func chunk(_ text: String) -> String { String(text.utf8.count, radix: 16) + "\r\n\(text)\r\n" }

    private static func webSocket(_ name: String) -> String {
        "Connection: Upgrade\r\nUpgrade: \(name)\r\n"
            + "Sec-WebSocket-Key: \(NetHTTPAnswerer.webSocketKey.request)\r\n\r\n"
    }
}
