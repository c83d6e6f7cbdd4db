// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Datapath
import Glibc
import NetworkTypes
import PolicyModel

/// The result of running a program over one packet.
public struct TestRunResult: Sendable, Hashable {
    public var verdict: Verdict
    /// Mean duration of one run.
    public var nanoseconds: Double
}

extension EBPFDatapath {
    /// Runs the programmed tables over one packet (BPF_PROG_TEST_RUN): without connection tracking and (as of Linux
    /// 6.18) without an input interface. Counters and events work as for a real packet.
    ///
    /// - Parameters:
    ///   - packet: from the IP header on; at least 20 bytes for IPv4, 40 for IPv6.
    ///   - repeats: how often to run it, for timing.
    ///   - hook: the hook whose program runs, attached or not.
    /// - Throws: ``DatapathError/system(operation:code:detail:)``; EINVAL for a packet that is too short.
    public func testRun(
        packet: [UInt8], family: AddressFamily, repeats: UInt32 = 1, hook: PacketHook = .forward
    ) throws(DatapathError) -> TestRunResult {
        let program = try opened().program(at: hook, family)
        return try runProgram(program, packet: packet, family: family, repeats: repeats, hook: hook)
    }

    /// Size of a loaded program in instructions, and how many the verifier processed.
    public func programFacts(
        _ family: AddressFamily, hook: PacketHook = .forward
    ) throws(DatapathError) -> (instructions: Int, verified: Int) {
        let program = try opened().program(at: hook, family)
        var (bytes, verified): (UInt32, UInt32) = (0, 0)
        let code = bh_program_info(program, &bytes, &verified)
        guard code == 0 else { throw .system(operation: "reading a program's facts", code: -code, detail: "") }
        return (Int(bytes) / 8, Int(verified))
    }
}

/// A program that reads the same headers and decides nothing: the baseline of the datapath's cost.
public struct BaselineProgram: ~Copyable {
    private let program4: Descriptor
    private let program6: Descriptor

    public init() throws(DatapathError) {
        let object = try LoadedObject.load(EmbeddedObjects.baseline)
        let four = try object.program("baseline4")
        let six = try object.program("baseline6")
        program4 = four
        program6 = six
    }

    public func testRun(
        packet: [UInt8], family: AddressFamily, repeats: UInt32
    ) throws(DatapathError) -> TestRunResult {
        try runProgram(
            family == .ipv4 ? program4.raw : program6.raw, packet: packet, family: family, repeats: repeats)
    }
}

func runProgram(
    _ program: Int32, packet: [UInt8], family: AddressFamily, repeats: UInt32, hook: PacketHook = .forward
) throws(DatapathError) -> TestRunResult {
    let etherType: [UInt8] = family == .ipv4 ? [0x08, 0x00] : [0x86, 0xdd]
    let frame = [UInt8](repeating: 0, count: 12) + etherType + packet
    var result = bh_test_result()
    let code = bh_test_run(
        program, frame, UInt32(frame.count), UInt8(hook.rawValue), UInt8(family == .ipv4 ? AF_INET : AF_INET6), repeats,
        &result)
    guard code == 0 else { throw .system(operation: "running the program over a packet", code: -code, detail: "") }
    return TestRunResult(verdict: result.verdict == 1 ? .allow : .deny, nanoseconds: Double(result.duration_ns))
}
