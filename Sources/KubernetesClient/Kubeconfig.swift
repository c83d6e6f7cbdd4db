// SPDX-License-Identifier: Apache-2.0
import Documents
import FoundationEssentials
import YAMLDocuments

/// Reads kubectl's configuration: one context of it.
///
/// Settings that would weaken the verification of the server, or that matter and are not supported, are errors.
public enum Kubeconfig {
    /// - Parameters:
    ///   - path: of the file; paths in it are relative to its folder.
    ///   - context: nil: the file's `current-context`.
    public static func read(_ path: String, context: String? = nil) throws(AccessError) -> ClusterAccess {
        try read(try ClusterAccess.Content.read(path), file: path, context: context)
    }

    /// - Parameter file: the path that errors give and that paths are relative to.
    public static func read(
        _ bytes: [UInt8], file: String, context: String? = nil
    ) throws(AccessError) -> ClusterAccess {
        let document: DocumentNode
        do {
            document = try DocumentReader.read(bytes)
        } catch {
            throw AccessError(source: file, line: error.line, field: "", reason: error.reason)
        }
        let root = ConfigurationNode(node: document, file: file, path: "")
        if let kind = try root.string("kind"), kind != "Config" {
            throw try root.required("kind").error("is '\(kind)', must be Config")
        }
        let name: String
        if let context {
            name = context
        } else {
            name = try root.required("current-context").string()
        }
        let chosen = try entry(name, of: "contexts", in: root).required("context")
        let clusterName = try chosen.required("cluster")
        let cluster = try entry(try clusterName.string(), of: "clusters", in: root, from: clusterName)
            .required("cluster")
        let reading = KubeconfigReading(folder: file.split(separator: "/", omittingEmptySubsequences: false).dropLast())
        var access = try reading.cluster(cluster)
        if let userName = chosen["user"] {
            let user = try entry(try userName.string(), of: "users", in: root, from: userName)
            if let user = user["user"] { try reading.user(user, &access) }
        }
        return access
    }

    private static func entry(
        _ name: String, of field: String, in root: ConfigurationNode, from: ConfigurationNode? = nil
    ) throws(AccessError) -> ConfigurationNode {
        for item in try root.items(field) where try item.string("name") == name { return item }
        let place = from ?? root[field] ?? root
        throw place.error("there is no entry '\(name)' among \(field)")
    }
}

/// Reads clusters and users.
struct KubeconfigReading {
    /// Parts of the path of the file's folder.
    let folder: ArraySlice<Substring>

    func cluster(_ node: ConfigurationNode) throws(AccessError) -> ClusterAccess {
        var access = ClusterAccess(source: node.file, server: try server(try node.required("server")))
        if let skip = node["insecure-skip-tls-verify"], try skip.bool() {
            throw skip.error("the server's certificate is always verified; give its certificate-authority")
        }
        if let proxy = node["proxy-url"] { throw proxy.error("proxies are not supported") }
        access.serverName = try node.string("tls-server-name")
        access.authorities = try content("certificate-authority", of: node)
        return access
    }

    private func server(_ node: ConfigurationNode) throws(AccessError) -> ClusterAccess.Server {
        let text = try node.string()
        guard let url = URLComponents(string: text), let scheme = url.scheme, let host = url.host, !host.isEmpty else {
            throw node.error("'\(String(text.prefix(200)))' is not a URL such as https://host:6443")
        }
        guard scheme == "https" else { throw node.error("must begin with https://: the server is always verified") }
        if let port = url.port, !(1...65535).contains(port) { throw node.error("port \(port) is not in 1...65535") }
        if url.user != nil || url.query != nil || url.fragment != nil {
            throw node.error("may have scheme, host, port and path only")
        }
        var path = url.path
        while path.hasSuffix("/") { path.removeLast() }
        let plain = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        return ClusterAccess.Server(host: plain, port: url.port ?? 443, path: path)
    }

    func user(_ node: ConfigurationNode, _ access: inout ClusterAccess) throws(AccessError) {
        for field in ["as", "as-groups", "as-uid", "as-user-extra"] {
            if let value = node[field] { throw value.error("impersonation is not supported") }
        }
        if let old = node["auth-provider"] { throw old.error("is no longer supported by Kubernetes; use exec") }
        if let old = node["username"] ?? node["password"] {
            throw old.error("is no longer supported by Kubernetes; use a token or a client certificate")
        }
        if let chain = try content("client-certificate", of: node) {
            guard let key = try content("client-key", of: node) else {
                throw node.error("has a client certificate and no client-key")
            }
            access.certificate = ClusterAccess.ClientCertificate(chain: chain, key: key)
        } else if let key = node["client-key-data"] ?? node["client-key"] {
            throw key.error("there is no client-certificate to this key")
        }
        // As kubectl does: of the two the file.
        if let file = try node.string("tokenFile") {
            access.token = .file(absolute(file))
        } else if let token = try node.string("token") {
            access.token = .bytes(Array(token.utf8))
        }
        if let exec = node["exec"] {
            guard access.token == nil, access.certificate == nil else {
                throw exec.error("cannot be used together with a token or certificate")
            }
            access.plugin = try plugin(exec)
        }
    }

    private func plugin(_ node: ConfigurationNode) throws(AccessError) -> CredentialPlugin {
        let version = try node.required("apiVersion")
        guard CredentialPlugin.versions.contains(try version.string()) else {
            throw version.error("is not known; known are \(CredentialPlugin.versions.joined(separator: ", "))")
        }
        if let mode = node["interactiveMode"], try mode.string() == "Always" {
            throw mode.error("Bulkhead cannot prompt a user")
        }
        let command = try node.required("command").string()
        var plugin = CredentialPlugin(
            source: node.file, field: node.path, apiVersion: try version.string(),
            // One with a slash in it is relative to the file, others are looked up.
            command: command.contains("/") ? absolute(command) : command)
        for argument in try node.items("args") { plugin.arguments.append(try argument.string()) }
        for variable in try node.items("env") {
            // An empty value is a value.
            plugin.environment[try variable.required("name").string()] = try variable.string("value") ?? ""
        }
        plugin.hint = try node.string("installHint")
        if let provides = node["provideClusterInfo"], try provides.bool() { plugin.wantsCluster = true }
        return plugin
    }

    /// What `FIELD-data` has written out in base64, or the file that `FIELD` names; of both the former.
    private func content(_ field: String, of node: ConfigurationNode) throws(AccessError) -> ClusterAccess.Content? {
        if let data = node["\(field)-data"] {
            guard let decoded = Data(base64Encoded: try data.string(), options: .ignoreUnknownCharacters),
                !decoded.isEmpty
            else { throw data.error("is not base64") }
            return .bytes(Array(decoded))
        }
        return try node.string(field).map { .file(absolute($0)) }
    }

    private func absolute(_ path: String) -> String {
        path.hasPrefix("/") || folder.isEmpty ? path : folder.joined(separator: "/") + "/\(path)"
    }
}
