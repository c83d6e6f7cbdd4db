// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite struct RequestSettingsTests {
    /// What is wrong is said before the daemon does anything.
    @Test(arguments: [
        (["--request-mark", "0x10"], "is not VALUE/MASK"), (["--request-mark", "0x10/0x70"], "exactly two bits"),
        (["--request-table", "254"], "one of the kernel's own tables"),
        (["--request-table", "0"], "one of the kernel's own tables"),
        (["--request-priority", "1"], "must be from 2 to 32765"),
        (["--request-priority", "32766"], "must be from 2 to 32765"),
        (["--request-priority", "40000"], "must be from 2 to 32765"),
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
