// SPDX-License-Identifier: Apache-2.0

extension ClusterAccess {
    /// Where the kubelet puts the files of a pod's service account.
    public static let serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// How a pod reaches the API server of its cluster. Token and certificate authorities are read again for each
    /// request, because the kubelet replaces them.
    ///
    /// - Parameters:
    ///   - environment: holds `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    ///   - directory: holds `token` and `ca.crt`.
    public static func inCluster(
        environment: [String: String], directory: String = serviceAccountDirectory
    ) throws(AccessError) -> ClusterAccess {
        let name = "KUBERNETES_SERVICE_HOST"
        guard let host = environment[name], !host.isEmpty else {
            throw AccessError(
                source: "environment", field: name,
                reason: "is not set: this is not a pod of a cluster; name a kubeconfig with --kubeconfig")
        }
        var port = 443
        if let text = environment["KUBERNETES_SERVICE_PORT"], !text.isEmpty {
            guard let number = UInt16(text), number > 0 else {
                throw AccessError(
                    source: "environment", field: "KUBERNETES_SERVICE_PORT", reason: "'\(text)' is not a port")
            }
            port = Int(number)
        }
        var access = ClusterAccess(source: directory, server: Server(host: host, port: port))
        access.token = .file("\(directory)/token")
        access.authorities = .file("\(directory)/ca.crt")
        for content in [access.token, access.authorities] { _ = try content?.read() }
        return access
    }
}
