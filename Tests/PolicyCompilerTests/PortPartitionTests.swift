// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel
import Testing

@Suite struct PortPartitionTests {
    /// The segments of a protocol: "80-81=1".
    private func rows(_ ports: PortPartition, _ ipProtocol: IPProtocol = .tcp) -> [String] {
        ports.segments.filter { $0.ports.ipProtocol == ipProtocol }.map { "\($0.ports.range)=\($0.portClass.rawValue)" }
    }

    private func partition(_ ranges: ProtocolPorts...) -> PortPartition {
        var ports = PortPartition()
        for range in ranges { ports.retain(range) }
        _ = ports.split()
        return ports
    }

    private func classes(_ range: ProtocolPorts, _ ports: PortPartition) -> [UInt16] {
        (ports.classesOfRange[range] ?? []).map(\.rawValue)
    }

    @Test func noRangeIsOneClass() {
        var ports = PortPartition()
        let split = ports.split()
        #expect(split == nil, "nothing to do")
        for ipProtocol in IPProtocol.withPorts { #expect(rows(ports, ipProtocol) == ["0-65535=0"]) }
        #expect(ports.classCount == 1)
    }

    @Test(arguments: [
        ([tcp(80)], ["0-79=0", "80=1", "81-65535=0"], ["0-65535=0"]),
        ([tcp(0)], ["0=1", "1-65535=0"], ["0-65535=0"]),
        ([tcp(65535)], ["0-65534=0", "65535=1"], ["0-65535=0"]),
        ([tcp(0, 65535)], ["0-65535=1"], ["0-65535=0"]),
        // The same ranges cover both: one class, also of two protocols.
        ([tcp(53), udp(53)], ["0-52=0", "53=1", "54-65535=0"], ["0-52=0", "53=2", "54-65535=0"]),
        // Nested: the inner range's ports are a class of their own, the outer one's rest another, on both sides.
        ([tcp(10, 20), tcp(15)], ["0-9=0", "10-14=1", "15=2", "16-20=1", "21-65535=0"], ["0-65535=0"]),
        // Neighbors that no rule distinguishes would be one segment; these are distinguished.
        ([tcp(10, 19), tcp(20, 29)], ["0-9=0", "10-19=1", "20-29=2", "30-65535=0"], ["0-65535=0"]),
    ])
    func rangesCutPorts(_ ranges: [ProtocolPorts], overTCP: [String], overUDP: [String]) {
        var ports = PortPartition()
        for range in ranges { ports.retain(range) }
        _ = ports.split()
        #expect(rows(ports) == overTCP)
        #expect(rows(ports, .udp) == overUDP)
    }

    @Test func aRangeKnowsItsClasses() {
        let ports = partition(tcp(10, 20), tcp(15), tcp(15, 30))
        // 10-14, 15, 16-20, 21-30.
        #expect(ports.classCount == 5)
        #expect(classes(tcp(10, 20), ports).count == 3)
        #expect(classes(tcp(15), ports).count == 1)
        #expect(classes(tcp(15, 30), ports).count == 3)
        #expect(classes(tcp(15), ports).allSatisfy(classes(tcp(15, 30), ports).contains))
    }

    /// Of the parts of a class the one with most ports keeps the number.
    @Test func aSplitKeepsTheNumberWithMostPorts() throws {
        var ports = partition(tcp(10, 19))
        ports.retain(tcp(12, 19))
        let split = ports.split()
        let change = try #require(split)
        #expect(rows(ports) == ["0-9=0", "10-11=2", "12-19=1", "20-65535=0"])
        #expect(change.added.map { [$0.0.rawValue, $0.from.rawValue] } == [[2, 1]])
        #expect(change.removed.isEmpty)
    }

    /// A range without users cuts until the next step: packets may still meet a program that names it.
    @Test func aRangeOutOfUseCutsUntilItIsSettled() throws {
        var ports = partition(tcp(80), tcp(90))
        ports.release(tcp(90))
        #expect(!ports.isInUse(tcp(90)) && ports.rangeCount == 1)
        let split = ports.split()
        #expect(split == nil)
        #expect(rows(ports) == ["0-79=0", "80=1", "81-89=0", "90=2", "91-65535=0"])
        let merged = ports.settle()
        let change = try #require(merged)
        #expect(rows(ports) == ["0-79=0", "80=1", "81-65535=0"])
        #expect(change.added.isEmpty && change.removed.map(\.rawValue) == [2])
        let again = ports.settle()
        #expect(again == nil)
    }

    @Test func aRangeLivesAsLongAsItHasUsers() {
        var ports = partition(tcp(80))
        ports.retain(tcp(80))
        ports.release(tcp(80))
        let settled = ports.settle()
        #expect(ports.isInUse(tcp(80)) && settled == nil)
        ports.release(tcp(80))
        ports.release(tcp(80))
        #expect(!ports.isInUse(tcp(80)), "once too often is nothing")
    }

    @Test func aPreviousRunsClassesAreFoundByTheirPorts() {
        var first = partition(tcp(1), tcp(2))
        first.release(tcp(1))
        _ = first.settle()
        first.endStep()
        #expect(rows(first) == ["0-1=0", "2=2", "3-65535=0"])
        var second = PortPartition(hints: first.segments)
        second.retain(tcp(2))
        second.retain(tcp(7))
        _ = second.split()
        #expect(rows(second) == ["0-1=0", "2=2", "3-6=0", "7=1", "8-65535=0"])
    }

    @Test func differencesAreTheRunsOfAnotherClass() {
        func segment(_ first: UInt16, _ last: UInt16, _ number: UInt16) -> PortSegment {
            PortSegment(tcp(first, last), PortClassID(rawValue: number))
        }
        let old = [segment(0, 9, 0), segment(10, 19, 1), segment(20, 65535, 0)]
        let new = [segment(0, 4, 0), segment(5, 14, 2), segment(15, 19, 1), segment(20, 65535, 0)]
        #expect(PortPartition.differences(old, new) == [segment(5, 14, 2)], "two runs that meet are one")
        #expect(PortPartition.differences(new, old) == [segment(5, 9, 0), segment(10, 14, 1)])
        #expect(PortPartition.differences(new, new).isEmpty)
    }
}
