// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes

/// Asks the network, from the namespace in which it is started, what gets through.
@main
enum Main {
    static func main() {
        do {
            let options = try ProbeOptions(CommandLine.arguments.dropFirst())
            switch options.mode {
            case .probe: try probe(options)
            case .spoof: try spoof(options)
            case .hold: try hold(options)
            case .hammer: try hammer(options)
            case .serve: try serve(options)
            }
        } catch let mistake as ProbeOptions.Mistake {
            say("packet-probe: \(mistake.text)\n\(ProbeOptions.usage)", to: STDERR_FILENO)
            exit(64)
        } catch {
            say("packet-probe: \(error)", to: STDERR_FILENO)
            exit(1)
        }
    }

    /// All targets at once; results in the order of the targets.
    private static func probe(_ options: ProbeOptions) throws {
        let probes = try options.probes()
        for (probe, outcome) in zip(probes, try NetProbe.runTogether(probes)) {
            say(line(probe, "\"outcome\":\"\(outcome.rawValue)\""))
        }
    }

    private static func spoof(_ options: ProbeOptions) throws {
        for probe in try options.probes() {
            guard let source = probe.source else { throw ProbeOptions.Mistake("spoof needs --from") }
            try NetSpoof.send(from: source, 40000, to: probe.destination, probe.port, payload: NetBytes.big(UInt64(1)))
            say(line(probe, "\"outcome\":\"sent\""))
        }
    }

    /// One connection with a number in flight each 20 ms: tells when answers stop for 200 ms and when they go on.
    private static func hold(_ options: ProbeOptions) throws {
        let probe = try options.probes()[0]
        let hammer = try NetHammer(.tcp, to: probe.destination, port: probe.port, everyMicroseconds: 20_000)
        say(line(probe, "\"connection\":\"established\""))
        let start = NetClock.now
        let end = start + UInt64(try options.number("seconds", otherwise: 60)) * 1_000_000_000
        var isAnswered = true
        while NetClock.now < end {
            NetClock.sleep(milliseconds: 20)
            let latest = hammer.packets.last { $0.answered != nil }?.answered ?? start
            let answeredNow = NetClock.now < latest + 200_000_000
            guard answeredNow != isAnswered else { continue }
            isAnswered = answeredNow
            say(line(probe, "\"connection\":\"\(isAnswered ? "answered" : "silent")\""))
        }
        _ = hammer.stop()
    }

    private static func hammer(_ options: ProbeOptions) throws {
        let probe = try options.probes()[0]
        let hammer = try NetHammer(
            probe.ipProtocol, to: probe.destination, port: probe.port,
            everyMicroseconds: try options.number("every", otherwise: 1000))
        NetClock.sleep(milliseconds: Double(try options.number("seconds", otherwise: 1)) * 1000)
        let packets = hammer.stop()
        let lost = packets.enumerated().filter { $0.element.answered == nil }.map(\.offset)
        let gap = lost.isEmpty ? "" : ",\"firstLost\":\(lost[0] + 1),\"lastLost\":\(lost[lost.count - 1] + 1)"
        say(line(probe, "\"sent\":\(packets.count),\"answered\":\(packets.count - lost.count)\(gap)"))
    }

    private static func serve(_ options: ProbeOptions) throws {
        let addresses = try options.addresses("at")
        if addresses.isEmpty { throw ProbeOptions.Mistake("serve needs --at") }
        let server = try NetServer(at: addresses, try options.ports())
        say("{\"serving\":\(options.operands.count)}")
        withExtendedLifetime(server) { while true { pause() } }
    }

    /// At once, also into a pipe: others wait for the line.
    private static func say(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
        let bytes = Array("\(text)\n".utf8)
        _ = write(descriptor, bytes, bytes.count)
    }

    private static func line(_ probe: NetProbe, _ result: String) -> String {
        let port = probe.ipProtocol.hasPorts ? ",\"port\":\(probe.port)" : ""
        return "{\"protocol\":\"\(probe.ipProtocol)\",\"to\":\"\(probe.destination)\"\(port),\(result)}"
    }
}
