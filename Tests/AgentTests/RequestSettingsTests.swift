// SPDX-License-Identifier: Apache-2.0
import Agent
import Testing

@Suite struct RequestSettingsTests {
    @Test func marks() throws {
        #expect("\(RequestMarks())" == "0x10/0x30")
        let marks = try RequestMarks("0x200/0x300")
        #expect(marks.toProxy == 0x200 && marks.fromProxy == 0x100 && marks.mask == 0x300)
        #expect(try RequestMarks("1/3") == RequestMarks("0X1/0x3"))
        #expect(try RequestMarks("0x80000000/0xc0000000").fromProxy == 0x4000_0000)
    }

    @Test(arguments: [
        "", "0x10", "0x10/", "/0x30", "x/y", "0x/0x30", "0x-1/0x30", "16/0x30/1", "0x10/0x100000030", "-1/3", " 1/3",
    ])
    func notMarks(_ text: String) {
        #expect(throws: RequestMarksError.form(text)) { try RequestMarks(text) }
    }

    @Test(arguments: ["0x10/0x10", "0x10/0x70", "0x40/0x30", "0x30/0x30", "0/3", "0x0/0x0"])
    func wrongBits(_ text: String) {
        #expect(throws: RequestMarksError.bits(text)) { try RequestMarks(text) }
    }

    @Test func kubeProxysBits() {
        #expect(throws: RequestMarksError.kubeProxy("0x4000/0xc000")) { try RequestMarks("0x4000/0xc000") }
        #expect(throws: RequestMarksError.kubeProxy("0x4000/0x6000")) { try RequestMarks("0x4000/0x6000") }
    }

    /// What is wrong is said before the daemon does anything.
    @Test(arguments: [
        (["--request-mark", "0x10"], "is not VALUE/MASK"), (["--request-mark", "0x10/0x70"], "exactly two bits"),
        (["--request-table", "254"], "one of the kernel's own tables"),
        (["--request-table", "0"], "one of the kernel's own tables"),
        (["--request-proxy", "bulkhead-http"], "is not NAMESPACE/SERVICEACCOUNT"),
        (["--request-proxy", "Kube/x"], "the namespace 'Kube' must be lower-case"),
        (["--request-proxy", "kube-system/x_y"], "the service account 'x_y' must be lower-case"),
        (["--mesh-root-namespace", "a.b"], "'a.b' must be lower-case"),
        (["--trust-domain", "spiffe://x"], "without spiffe://"), (["--trust-domain", ""], "1 to 255"),
        (["--trust-domain", "a", "--trust-domain", "a"], "twice with the same value"),
    ])
    func wrongOptions(_ options: [String], _ problem: String) async throws {
        let result = try await onOwnThread { try CommandLine.run("bulkheadd", ["--node-name", "n"] + options) }
        #expect(result.status == 2 && result.complaints.contains(problem), "\(result.complaints)")
    }
}
