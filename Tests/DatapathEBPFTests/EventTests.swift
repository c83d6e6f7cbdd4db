// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import Datapath
import DatapathEBPF
import NetworkTypes
import Testing

/// What programs report, as events. Needs no kernel.
@Suite struct EventTests {
    private static func event(_ ipProtocol: IPProtocol, type: UInt8, code: UInt8, tellsICMP: Bool = true) -> DropEvent?
    {
        var event = bh_event()
        event.cause = DropEvent.Cause.rule.rawValue
        event.family = AddressFamily.ipv4.rawValue
        event.protocol = ipProtocol.rawValue
        (event.icmp_type, event.icmp_code) = (type, code)
        return DropEvent(event, now: 0, tellsICMP: tellsICMP)
    }

    @Test(arguments: [IPProtocol.icmp, .icmpv6]) func anICMPMessageIsTold(_ ipProtocol: IPProtocol) throws {
        let told = try #require(Self.event(ipProtocol, type: 0, code: 0))
        #expect(told.icmp == ICMPMessage(type: 0, code: 0))
        let unknown = try #require(Self.event(ipProtocol, type: 8, code: UInt8(BH_ICMP_UNKNOWN)))
        #expect(unknown.icmp == nil)
    }

    /// Programs of a build before this one have zeros there, and enforce until they are replaced.
    @Test func zerosOfOlderProgramsAreNoMessage() throws {
        for ipProtocol in [IPProtocol.tcp, .udp, .icmp, .icmpv6] {
            let event = try #require(Self.event(ipProtocol, type: 0, code: 0, tellsICMP: false))
            #expect(event.icmp == nil, "\(ipProtocol)")
        }
        for ipProtocol in [IPProtocol.tcp, .udp, .sctp] {
            let event = try #require(Self.event(ipProtocol, type: 0, code: 0))
            #expect(event.icmp == nil, "\(ipProtocol)")
        }
    }
}
