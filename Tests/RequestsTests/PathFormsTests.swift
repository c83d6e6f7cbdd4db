// SPDX-License-Identifier: Apache-2.0
import Requests
import Testing

@Suite struct PathFormsTests {
    @Test(arguments: [
        ("/", PathForms.plain), ("/a", .plain), ("/a/", .plain), ("/a/b.c~d-e_f", .plain), ("/a%20b", .plain),
        ("/caf%C3%A9", .plain), ("/...", .plain), ("/a/.b/..c", .plain),
        ("/%61dmin", .normalized("/admin")), ("/a/./b", .normalized("/a/b")), ("/a/../b", .normalized("/b")),
        ("/a/%2e%2E/b", .normalized("/b")), ("/a/b/..", .normalized("/a/")), ("/a/.", .normalized("/a/")),
        ("/a%3ab", .normalized("/a%3Ab")), ("/%7euser", .normalized("/~user")),
        ("/a%2fb", .ambiguous(.encodedSeparator)), ("/a%5Cb", .ambiguous(.encodedSeparator)),
        ("/a%00", .ambiguous(.encodedSeparator)), ("/a\\b", .ambiguous(.backslash)),
        ("//a", .ambiguous(.emptySegment)), ("/a//b", .ambiguous(.emptySegment)),
        ("/a/..//b", .ambiguous(.emptySegment)), ("/a;x=1", .ambiguous(.parameters)),
        ("/a/..;/b", .ambiguous(.parameters)), ("/%ff", .ambiguous(.notUTF8)), ("/%c3", .ambiguous(.notUTF8)),
        ("/a\u{FFFD}", .ambiguous(.notUTF8)), ("/%", .ambiguous(.malformedEscape)),
        ("/%4", .ambiguous(.malformedEscape)), ("/%zz", .ambiguous(.malformedEscape)),
        ("/..", .ambiguous(.aboveRoot)), ("/a/../../b", .ambiguous(.aboveRoot)), ("*", .ambiguous(.notAPath)),
        ("", .ambiguous(.notAPath)), ("a/b", .ambiguous(.notAPath)), ("/a#b", .ambiguous(.notAPath)),
    ])
    func aPathHasOneFormOrIsAmbiguous(path: String, expected: PathForms) {
        #expect(PathForms(path) == expected)
    }

    @Test func theNormalFormIsPlain() {
        var generator = SystemRandomNumberGenerator()
        let pieces = ["/", "a", ".", "..", "%2e", "%41", "%c3%a9", "b", "-"]
        for _ in 0..<5000 {
            let path = "/" + (0..<6).compactMap { _ in pieces.randomElement(using: &generator) }.joined()
            if case .normalized(let normal) = PathForms(path) { #expect(PathForms(normal) == .plain, "\(path)") }
        }
    }

    @Test(arguments: [
        ("/a?b=/c", "GET", "/a", nil), ("/a#b?c", "GET", "/a#b", nil), ("*", "OPTIONS", "*", nil),
        ("http://h:80/a?b", "GET", "/a", "h:80"), ("http://h", "GET", "/", "h"), ("http://h?x", "GET", "/", "h"),
        ("http://h#x", "GET", "/", "h"), ("h:443", "CONNECT", "h:443", "h:443"), ("a:b", "GET", "a:b", nil),
        ("admin?://x/ok", "GET", "admin", nil), ("1a://h/ok", "GET", "1a://h/ok", nil),
        ("://h/a", "GET", "://h/a", nil),
        ("http://a\\b/c", "GET", "http://a\\b/c", "a\\b"), ("http://a@b/c?d", "GET", "http://a@b/c?d", "a@b"),
        ("x-1+a.b://h/a", "GET", "/a", "h"), ("/http://x", "GET", "/http://x", nil), ("http://h", "OPTIONS", "*", "h"),
        ("http://h?x", "OPTIONS", "/", "h"),
    ])
    func targetsAreRead(target: String, method: String, path: String, authority: String?) {
        let read = RequestTarget(target, method: method)
        #expect(read.path == path && read.authority == authority)
    }
}
