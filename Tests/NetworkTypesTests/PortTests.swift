// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import Testing

@Suite struct PortTests {
    @Test(arguments: [
        ("tcp", IPProtocol.tcp, "TCP"), ("TCP", .tcp, "TCP"), ("Udp", .udp, "UDP"), ("sctp", .sctp, "SCTP"),
        ("icmp", .icmp, "ICMP"), ("icmpv6", .icmpv6, "ICMPv6"), ("ipv6-icmp", .icmpv6, "ICMPv6"), ("6", .tcp, "TCP"),
        ("47", IPProtocol(rawValue: 47), "47"), ("0", IPProtocol(rawValue: 0), "0"),
        ("255", IPProtocol(rawValue: 255), "255"),
    ])
    func protocols(name: String, ipProtocol: IPProtocol, text: String) {
        #expect(IPProtocol(name: name) == ipProtocol)
        #expect("\(ipProtocol)" == text)
        #expect(IPProtocol(name: text) == ipProtocol)
    }

    @Test(arguments: ["", " ", "tcp ", "256", "-1", "+6", "tcpp", "1e1", "06 ", "0x6", "٦"])
    func noProtocol(name: String) {
        #expect(IPProtocol(name: name) == nil)
    }

    @Test func rangesOfPorts() {
        #expect(PortRange(80).contains(80))
        #expect(!PortRange(80).contains(81))
        #expect(PortRange(80, 90).contains(90))
        #expect(PortRange.all.contains(0) && PortRange.all.contains(.max))
        #expect("\(PortRange(80))" == "80")
        #expect("\(PortRange(80, 90))" == "80-90")
        #expect(
            [PortRange(80, 90), PortRange(80), PortRange(1, 9)].sorted() == [
                PortRange(1, 9), PortRange(80), PortRange(80, 90),
            ])
    }

    @Test func flowsHavePortsWhereTheProtocolHas() throws {
        let (source, destination) = (try IPAddress("10.0.0.1"), try IPAddress("10.0.0.2"))
        let tcp = Flow(source: source, destination: destination, ipProtocol: .tcp, destinationPort: 80)
        let icmp = Flow(source: source, destination: destination, ipProtocol: .icmp, destinationPort: 80)
        #expect(tcp.destinationPort == 80)
        #expect(icmp.destinationPort == nil)
        #expect("\(tcp)" == "10.0.0.1 -> 10.0.0.2 80/TCP")
        #expect("\(icmp)" == "10.0.0.1 -> 10.0.0.2 ICMP")
    }
}
