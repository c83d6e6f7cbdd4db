// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import RequestSteering
import Testing

/// Marks as an option names them: pure.
struct SteeringSettingsTests {
    @Test func marks() throws {
        #expect("\(SteeringSettings.defaultMarks)" == "0x10/0x30")
        let marks = try SteeringMarks("0x200/0x300")
        #expect(marks.toProxy == 0x200 && marks.fromProxy == 0x100 && marks.mask == 0x300)
        #expect(try SteeringMarks("1/3") == SteeringMarks("0X1/0x3"))
        #expect(try SteeringMarks("0x80000000/0xc0000000").fromProxy == 0x4000_0000)
    }

    @Test(arguments: [
        "", "0x10", "0x10/", "/0x30", "x/y", "0x/0x30", "0x-1/0x30", "16/0x30/1", "0x10/0x100000030", "-1/3", " 1/3",
    ])
    func notMarks(_ text: String) {
        #expect(throws: SteeringMarksError.form(text)) { try SteeringMarks(text) }
    }

    @Test(arguments: ["0x10/0x10", "0x10/0x70", "0x40/0x30", "0x30/0x30", "0/3", "0x0/0x0"])
    func wrongBits(_ text: String) {
        #expect(throws: SteeringMarksError.bits(text)) { try SteeringMarks(text) }
    }

    @Test func kubeProxysBits() {
        #expect(throws: SteeringMarksError.kubeProxy("0x4000/0xc000")) { try SteeringMarks("0x4000/0xc000") }
        #expect(throws: SteeringMarksError.kubeProxy("0x4000/0x6000")) { try SteeringMarks("0x4000/0x6000") }
    }
}
