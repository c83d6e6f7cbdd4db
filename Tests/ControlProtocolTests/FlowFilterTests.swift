// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import NetworkTypes
import PolicyModel
import Testing

@Suite struct FlowFilterTests {
    private static let minute: Int64 = 60_000_000_000
    private static let now: Int64 = 1_800_000_000_000_000_000

    /// From shop/web to shop/redis on 6379/TCP, a minute ago, denied by shop/redis.
    private static func facts() throws -> FlowFacts {
        FlowFacts(
            kind: .drop, time: now - minute, verdict: .dropped, reason: "rule",
            source: .init(address: try IPAddress("10.1.0.1"), pod: "shop/web"),
            destination: .init(address: try IPAddress("10.1.0.2"), pod: "shop/redis"), destinationPort: 6379,
            ipProtocol: .tcp, policies: [PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "deny")])
    }

    private static func matches(_ parameters: [String: String], _ facts: FlowFacts) throws -> Bool {
        try StreamOptions(parameters, recorded: true, now: now).filter.matches(facts)
    }

    @Test(arguments: [
        ("namespace", "shop", "sho"), ("namespace", "shop", "web"), ("pod", "web", "we"),
        ("pod", "shop/redis", "shop/x"),
        ("pod", "redis", "other/redis"), ("pod", "10.1.0.2", "10.1.0.3"), ("from", "web", "redis"),
        ("from", "shop/web", "shop/redis"), ("from", "10.1.0.1", "10.1.0.2"), ("from", "10.1.0.0/24", "10.1.1.0/24"),
        ("to", "redis", "web"), ("to", "10.1.0.2/32", "10.1.0.1"), ("to", "0.0.0.0/0", "::/0"),
        ("port", "6379", "6380"), ("protocol", "tcp", "udp"), ("protocol", "6", "17"),
        ("verdict", "dropped", "forwarded"), ("verdict", "DENIED", "audit"), ("policy", "deny", "den"),
        ("policy", "shop/deny", "other/deny"), ("reason", "rule", "spoofed"), ("reason", "RULE", "new"),
        ("since", "2m", "30s"), ("since", "60", "59"), ("since", "1h", "0"),
        ("since", "2027-01-15T07:58:00Z", "2027-01-15T07:59:00.001Z"),
    ]) func eachConditionHoldsOrNot(name: String, match: String, mismatch: String) throws {
        let facts = try Self.facts()
        #expect(try Self.matches([name: match], facts), "\(name)=\(match)")
        #expect(try !Self.matches([name: mismatch], facts), "\(name)=\(mismatch)")
    }

    @Test func allConditionsMustHold() throws {
        let facts = try Self.facts()
        var parameters = ["namespace": "shop", "from": "web", "to": "shop/redis", "port": "6379", "verdict": "dropped"]
        #expect(try Self.matches(parameters, facts))
        #expect(try Self.matches([:], facts))
        parameters["port"] = "1"
        #expect(try !Self.matches(parameters, facts))
        // A namespace beside a name is the pod's.
        #expect(try Self.matches(["namespace": "shop", "pod": "web"], facts))
        #expect(try !Self.matches(["namespace": "other", "pod": "web"], facts))
        var kinds = FlowFilter()
        kinds.kinds = [.flow, .audit]
        #expect(!kinds.matches(facts))
    }

    @Test func whatHasNoPodOrPortMatchesNone() throws {
        var facts = try Self.facts()
        facts.source.pod = nil
        facts.destination = .init(address: nil, pod: nil)
        facts.destinationPort = nil
        facts.ipProtocol = .icmpv6
        for parameters in [["pod": "web"], ["to": "10.1.0.2"], ["namespace": "shop"], ["port": "0"]] {
            #expect(try !Self.matches(parameters, facts), "\(parameters)")
        }
        #expect(try Self.matches(["protocol": "icmp"], facts), "ICMP of either family")
    }

    @Test(arguments: [
        ("port", "http"), ("port", "65536"), ("port", ""), ("port", "-1"), ("protocol", "tpc"), ("verdict", "maybe"),
        ("from", "a/b/c"), ("from", ""), ("to", "/x"), ("pod", "a b"), ("namespace", "a/b"), ("namespace", ""),
        ("policy", ""), ("reason", "because"), ("since", "yesterday"), ("since", "10x"), ("since", "m"),
        ("since", "99999999999999999999"), ("since", "--5"), ("since", "9999-12-31T23:59:59Z"), ("last", "-1"),
        ("last", "65537"), ("last", "x"), ("follow", "yes"), ("from", "\u{1b}[2J"),
    ]) func whatCannotBeReadIsAnErrorThatNamesIt(name: String, value: String) {
        #expect {
            try StreamOptions([name: value], recorded: true, now: Self.now)
        } throws: { error in
            "\(error)".hasPrefix("'\(name)' must be ")
        }
    }

    @Test func historyAndNews() throws {
        func options(_ parameters: [String: String], recorded: Bool) throws -> StreamOptions {
            try StreamOptions(parameters, recorded: recorded, now: Self.now)
        }
        let events = try options([:], recorded: false)
        #expect(!events.hasHistory && events.follows)
        let flows = try options([:], recorded: true)
        #expect(flows.hasHistory && !flows.follows && flows.last == nil)
        let last = try options(["last": "5", "follow": "false"], recorded: false)
        #expect(last.hasHistory && !last.follows && last.last == 5)
        let followed = try options(["follow": "true", "last": "0"], recorded: true)
        #expect(followed.hasHistory && followed.follows && followed.last == 0)
    }

    @Test func momentsAreReadToTheNanosecond() {
        #expect(RFC3339.nanoseconds("1970-01-01T00:00:01Z") == 1_000_000_000)
        #expect(RFC3339.nanoseconds("1970-01-01T01:00:00.25+01:00") == 250_000_000)
        #expect(RFC3339.nanoseconds("1970-01-01T00:00:00.123456789Z") == 123_456_789)
        #expect(RFC3339.nanoseconds("9999-01-01T00:00:00Z") == nil)
        #expect(RFC3339.nanoseconds("10:05") == nil)
        #expect(RFC3339.text(nanoseconds: 1_250_000_000) == "1970-01-01T00:00:01.250Z")
    }
}
